import type { Loop } from '../../wire/messages.ts'

interface TraceEvent {
  name: string
  cat: string
  ph: 'X' | 'M'
  /** Microseconds. */
  ts?: number
  dur?: number
  pid: number
  tid: number
  args?: Record<string, unknown>
}

/** Loops in the Trace Event Format (complete events, times in microseconds): a track for each service, spans below their loop. */
export function traceEvents(loops: Loop[]): { traceEvents: TraceEvent[]; displayTimeUnit: 'ms' } {
  const services = [...new Set(loops.map(({ service }) => service))]
  const names = services.map((name, index): TraceEvent => ({
    name: 'thread_name',
    cat: '__metadata',
    ph: 'M',
    pid: 1,
    tid: index + 1,
    args: { name },
  }))
  return {
    traceEvents: [...names, ...loops.flatMap((loop) => eventsOf(loop, services.indexOf(loop.service) + 1))],
    displayTimeUnit: 'ms',
  }
}

function eventsOf(loop: Loop, tid: number): TraceEvent[] {
  const { id, files, action, outcome, replicas, error } = loop
  let at = loop.savedAt
  const spans = loop.spans.map(({ name, ms }): TraceEvent => {
    const event: TraceEvent = { name, cat: 'span', ph: 'X', ts: at * 1000, dur: ms * 1000, pid: 1, tid }
    at += ms
    return event
  })
  const args = { files, action, outcome, replicas, ...(error && { error: error.code }) }
  return [
    { name: `#${id}`, cat: 'loop', ph: 'X', ts: loop.savedAt * 1000, dur: loop.durationMs * 1000, pid: 1, tid, args },
    ...spans,
  ]
}

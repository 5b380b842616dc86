/** An event of the Trace Event Format; times in microseconds. */
export interface TraceEvent {
  name: string
  cat: string
  ph: 'X' | 'M'
  ts?: number
  dur?: number
  pid: number
  tid: number
  args?: Record<string, unknown>
}

export interface TraceFile {
  traceEvents: TraceEvent[]
  displayTimeUnit: 'ms'
}

/** A whole and its spans, on a track. Times in milliseconds; `startMs` of a span is from the beginning of the whole. */
export interface TraceItem {
  track: string
  name: string
  category: string
  atMs: number
  ms: number
  args: Record<string, unknown>
  spans: { name: string; startMs: number; ms: number }[]
}

/** Items as complete events, a track for each name of one, spans below their item. */
export function traceFile(items: readonly TraceItem[]): TraceFile {
  const tracks = [...new Set(items.map(({ track }) => track))]
  const names = tracks.map((name, index): TraceEvent => ({
    name: 'thread_name',
    cat: '__metadata',
    ph: 'M',
    pid: 1,
    tid: index + 1,
    args: { name },
  }))
  const events = items.flatMap(({ track, name, category, atMs, ms, args, spans }): TraceEvent[] => {
    const place = { ph: 'X' as const, pid: 1, tid: tracks.indexOf(track) + 1 }
    return [
      { name, cat: category, ts: atMs * 1000, dur: ms * 1000, ...place, args },
      ...spans.map((span) => ({
        name: span.name,
        cat: 'span',
        ts: (atMs + span.startMs) * 1000,
        dur: span.ms * 1000,
        ...place,
      })),
    ]
  })
  return { traceEvents: [...names, ...events], displayTimeUnit: 'ms' }
}

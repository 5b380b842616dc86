import { traceFile, type TraceFile } from '../../bench/report/chrome-trace.ts'
import type { Loop } from '../../wire/messages.ts'
import { loopSpans } from '../loop-spans.ts'

/** Loops in the Trace Event Format: a track for each service, spans below their loop. */
export function traceEvents(loops: Loop[]): TraceFile {
  return traceFile(
    loops.map((loop) => {
      const { id, service, files, action, outcome, replicas, error, savedAt, durationMs } = loop
      return {
        track: service,
        name: `#${id}`,
        category: 'loop',
        atMs: savedAt,
        ms: durationMs,
        args: { files, action, outcome, replicas, ...(error && { error: error.code }) },
        spans: loopSpans(loop),
      }
    }),
  )
}

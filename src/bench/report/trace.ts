import type { BenchReport } from '../report.ts'
import { nameOf } from '../samples.ts'
import { traceFile, type TraceFile } from './chrome-trace.ts'

/** Every sample of a report with its spans, a track for each measure and side. */
export function reportTrace({ series }: BenchReport): TraceFile {
  return traceFile(
    series.flatMap((one) =>
      one.samples.map(({ ms, at, spans, remarks }, index) => ({
        track: `${nameOf(one)} (${one.side})`,
        name: `#${index + 1}`,
        category: 'sample',
        atMs: at,
        ms,
        args: { ...(remarks && { remarks }) },
        spans,
      })),
    ),
  )
}

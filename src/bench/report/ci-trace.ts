import { stageName, type CiReport } from '../ci/report.ts'
import { traceFile, type TraceFile } from './chrome-trace.ts'
import { legName } from './ci-words.ts'

/** A run of `shiv ci` for a timeline viewer: its stages with their spans on one track, the way of the change by the clocks that told it on another. */
export function ciTrace({ stages, timeline, startedAt }: CiReport): TraceFile {
  const done = stages.filter(({ state }) => state !== 'skipped')
  return traceFile([
    ...timeline.legs.flatMap((leg) => {
      const from = timeline.instants.find(({ moment }) => moment === leg.from)
      if (from === undefined || leg.ms < 0) return []
      return [
        {
          track: 'change',
          name: legName(leg),
          category: 'leg',
          atMs: from.at,
          ms: leg.ms,
          args: { clock: from.clock },
          spans: [],
        },
      ]
    }),
    ...done.map((stage) => ({
      track: 'shiv ci',
      name: stageName(stage),
      category: 'stage',
      atMs: startedAt + stage.startMs,
      ms: stage.ms,
      args: { state: stage.state, ...(stage.why !== undefined && { why: stage.why }) },
      spans: stage.spans,
    })),
  ])
}

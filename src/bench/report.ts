import type { Advice } from './advice.ts'
import type { Comparison } from './compare.ts'
import type { GateVerdict } from './gates.ts'
import type { MachineFacts } from './machine.ts'
import type { Series } from './samples.ts'
import { isDrifting, summarise, type Summary } from './summary.ts'

/** One of the things that are compared: a working copy, a commit, or a run of before. */
export interface Side {
  /** `here`, or how the other was asked for: `main`, `last`, `report.json`. */
  name: string
  /** Full hash; absent outside of git. */
  commit?: string
  branch?: string
  /** The working copy had changes that are in no commit. */
  isDirty?: boolean
  /** Epoch milliseconds at which it was measured. */
  measuredAt: number
}

/** A run of `shiv bench`, as it is stored and handed on. Its JSON Schema is docs/bench.schema.json. */
export interface BenchReport {
  version: 1
  kind: 'bench'
  id: string
  /** Epoch milliseconds. */
  startedAt: number
  durationMs: number
  /** Release of shiv. */
  shiv: string
  workspace: string
  services: string[]
  runtime: string
  machine: MachineFacts & { class: string }
  /** The first is what was asked about; the others are what it is held against. */
  sides: Side[]
  series: (Series & { summary?: Summary })[]
  comparisons: Comparison[]
  gates: GateVerdict[]
  advice: Advice[]
  /** What a reader must know to judge the figures. */
  remarks: string[]
  /** What the harness adds to a sample, milliseconds: the clock's and the event loop's, and a round trip to the daemon, which samples of `start` and `build` hold. */
  harness: { sampleMs: number; roundTripMs?: number }
  isInterrupted: boolean
}

/** Adds what samples say to their series. */
export function withSummaries(series: readonly Series[]): BenchReport['series'] {
  return series.map((one) => {
    const summary = summarise(one)
    return { ...one, ...(summary && { summary }) }
  })
}

/** What the figures themselves tell of the machine: drift, noise, a clock that was set. */
export function weatherRemarks(series: BenchReport['series']): string[] {
  const remarks: string[] = []
  for (const { measure, of, side, summary, samples } of series) {
    const name = `${measure} ${of} (${side})`
    if (summary && isDrifting(summary)) {
      const { change } = summary.drift!
      remarks.push(
        `${name} ${change > 0 ? 'rose' : 'fell'} by ${Math.abs(change * 100).toFixed(0)} % while it was measured: the machine was not in one state`,
      )
    }
    const steps = samples.flatMap(({ clockStepMs }) => clockStepMs ?? [])
    if (steps.length > 0) {
      const sum = steps.reduce((total, step) => total + step, 0)
      remarks.push(
        `the clock was set by ${(sum / 1_000).toFixed(1)} s while ${name} was measured; durations come from the monotonic clock and hold`,
      )
    }
    if (summary && summary.outliers.length > 0)
      remarks.push(
        `${name} has ${summary.outliers.length} ${summary.outliers.length === 1 ? 'outlier' : 'outliers'}, the largest sample ${summary.max.toFixed(1)} ms; they count like all others`,
      )
  }
  return remarks
}

/** `this machine cannot tell differences under 8 % now`, of the noisiest measure; undefined where nothing tells. */
export function noiseFloor(series: BenchReport['series']): { smallest: number; name: string } | undefined {
  let worst: { smallest: number; name: string } | undefined
  for (const { summary, measure, of } of series) {
    const smallest = summary?.smallestDifference
    if (smallest !== undefined && smallest > (worst?.smallest ?? 0)) worst = { smallest, name: `${measure} ${of}` }
  }
  return worst
}

/** A report's side and what was measured of it. */
export function entryOf(report: BenchReport, name: string): { side: Side; series: Series[] } {
  const side = report.sides.find((one) => one.name === name) ?? { name, measuredAt: report.startedAt }
  return { side, series: report.series.filter((one) => one.side === name) }
}

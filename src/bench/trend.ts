import { changePoints } from './change-points.ts'
import type { HistoryEntry } from './history.ts'
import { valuesOf, type MeasureName } from './samples.ts'
import { median } from './statistics.ts'

/** A measure over the runs that history has of it. */
export interface Trend extends MeasureName {
  runtime: string
  points: TrendPoint[]
  steps: TrendStep[]
}

export interface TrendPoint {
  at: number
  /** Median of the run, milliseconds. */
  ms: number
  count: number
  commit?: string
  isDirty?: boolean
}

/** Where a measure stepped: the first run of the new level, and the last one before. */
export interface TrendStep {
  before: TrendPoint
  after: TrendPoint
  /** Medians of the levels, milliseconds. */
  beforeMs: number
  afterMs: number
  p: number
}

/** Levels that differ by less are no step. */
const LEAST_STEP = 0.02

/** Trends of a workspace's measures over the entries of one machine class, in the order of time: of what was asked about in each run, not of what it was held against, which is of another day. */
export function trends(entries: readonly HistoryEntry[]): Trend[] {
  const byMeasure = new Map<string, Trend>()
  for (const { at, runtime, series, side, isBase } of entries) {
    if (isBase) continue
    for (const { measure, of, samples } of series) {
      if (samples.length === 0) continue
      const key = JSON.stringify([measure, of, runtime])
      const trend = byMeasure.get(key) ?? { measure, of, runtime, points: [], steps: [] }
      byMeasure.set(key, trend)
      trend.points.push({
        at,
        ms: median(valuesOf({ samples })),
        count: samples.length,
        ...(side.commit !== undefined && { commit: side.commit }),
        ...(side.isDirty !== undefined && { isDirty: side.isDirty }),
      })
    }
  }
  return [...byMeasure.values()].map((trend) => ({ ...trend, steps: stepsOf(trend.points) }))
}

function stepsOf(points: readonly TrendPoint[]): TrendStep[] {
  return changePoints(
    points.map(({ ms }) => ms),
    { least: LEAST_STEP },
  ).map(({ index, p, before, after }) => ({
    before: points[index - 1]!,
    after: points[index]!,
    beforeMs: before,
    afterMs: after,
    p,
  }))
}

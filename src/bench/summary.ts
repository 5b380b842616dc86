import { drift, outliers, smallestDifference, type Drift } from './noise.ts'
import { valuesOf, type Series } from './samples.ts'
import { bootstrap, type Estimate } from './statistics.ts'

/** What the samples of one series say. Milliseconds, unrounded. */
export interface Summary {
  count: number
  min: Estimate
  p50: Estimate
  p95: Estimate
  max: number
  /** Indices of samples far from the others; they count like all. */
  outliers: number[]
  /** Absent with too few samples to tell. */
  drift?: Drift
  /** The smallest difference, as a part, that two such series would show four times in five. Absent with too few samples. */
  smallestDifference?: number
}

/** Undefined for a series without samples. */
export function summarise(series: Series): Summary | undefined {
  const values = valuesOf(series)
  if (values.length === 0) return undefined
  const wandered = drift(values)
  const smallest = smallestDifference(values)
  return {
    count: values.length,
    min: bootstrap(values, 0),
    p50: bootstrap(values, 0.5),
    p95: bootstrap(values, 0.95),
    max: Math.max(...values),
    outliers: outliers(values),
    ...(wandered !== undefined && { drift: wandered }),
    ...(smallest !== undefined && { smallestDifference: smallest }),
  }
}

/** A machine wandered when the trend is sure and larger than the spread of a median. */
export function isDrifting({ drift }: Summary): boolean {
  return drift !== undefined && drift.p < 0.01 && Math.abs(drift.change) > 0.05
}

import { normalQuantile } from './normal.ts'
import { nullDistribution } from './rank-tests.ts'
import type { Stratum } from './strata.ts'

/** Of one side over the other. The interval is absent where so few samples allow none. */
export interface RatioEstimate {
  value: number
  interval?: { low: number; high: number }
}

/** More pairs than these say nothing more: larger sides are thinned evenly in the order of their values. */
const MOST_PER_SIDE = 1_000

/**
 * By how much samples are larger than the baseline's, as a ratio: the median of the ratios of all pairs of a stratum (Hodges & Lehmann
 * 1963, on logarithms), and the interval that the rank test of the strata gives when it is inverted (Lehmann 1975, section 2.3; for one
 * stratum R's wilcox.test). A ratio outside of the interval is one that the test would refuse, so interval and test never disagree but
 * for ties. Values must be above 0; throws RangeError for others, and for an empty side.
 */
export function hodgesLehmannRatio(strata: readonly Stratum[], confidence = 0.95): RatioEstimate {
  const logs = strata.map(({ samples, baseline }): { samples: Float64Array; baseline: Float64Array } => {
    if (samples.length === 0 || baseline.length === 0) throw new RangeError('an effect needs samples on both sides')
    return { samples: logarithms(samples), baseline: logarithms(baseline) }
  })
  const pairs = new Float64Array(logs.reduce((sum, { samples, baseline }) => sum + samples.length * baseline.length, 0))
  let at = 0
  for (const { samples, baseline } of logs) for (const x of samples) for (const y of baseline) pairs[at++] = x - y
  pairs.sort()
  const middle = (pairs.length - 1) / 2
  const value = Math.exp((pairs[Math.floor(middle)]! + pairs[Math.ceil(middle)]!) / 2)
  const rank = lowerRank(logs, confidence)
  if (rank < 1) return { value }
  return { value, interval: { low: Math.exp(pairs[rank - 1]!), high: Math.exp(pairs[pairs.length - rank]!) } }
}

/** Rank, from 1, of the pair that is the interval's lower end; 0 where there is none. */
function lowerRank(strata: readonly { samples: Float64Array; baseline: Float64Array }[], confidence: number): number {
  const tail = (1 - confidence) / 2
  const below = nullDistribution(strata)
  if (below !== undefined) return below.findLastIndex((probability) => probability <= tail) + 1
  const sum = (of: (n: number, m: number) => number): number =>
    strata.reduce((total, { samples, baseline }) => total + of(samples.length, baseline.length), 0)
  const variance = sum((n, m) => (n * m * (n + m + 1)) / 12)
  return Math.floor(sum((n, m) => n * m) / 2 - normalQuantile(1 - tail) * Math.sqrt(variance))
}

function logarithms(values: readonly number[]): Float64Array {
  if (!values.every((value) => value > 0)) throw new RangeError('a ratio is asked of values that are not above 0')
  const sorted = Float64Array.from(values, Math.log).sort()
  if (sorted.length <= MOST_PER_SIDE) return sorted
  return Float64Array.from(
    { length: MOST_PER_SIDE },
    (_, index) => sorted[Math.round((index * (sorted.length - 1)) / (MOST_PER_SIDE - 1))]!,
  )
}

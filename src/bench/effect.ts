import { normalQuantile } from './normal.ts'
import { mannWhitneyCdf } from './rank-tests.ts'

/** Of one side over the other. The interval is absent where so few samples allow none. */
export interface RatioEstimate {
  value: number
  interval?: { low: number; high: number }
}

/** Up to so many pairs the distribution behind the interval is counted out. */
const EXACT_PAIRS = 2_500
/** More pairs than these say nothing more: larger sides are thinned evenly in the order of their values. */
const MOST_PER_SIDE = 1_000

/**
 * By how much `samples` are larger than `baseline`, as a ratio: the median of all ratios of pairs (Hodges & Lehmann 1963, on
 * logarithms), and the interval that the Mann-Whitney test gives when it is inverted (Lehmann 1975, section 2.3; R's wilcox.test). A
 * ratio outside of the interval is one that the test would refuse, so interval and test never disagree but for ties. Values must be
 * above 0; throws RangeError for others, and for an empty side.
 */
export function hodgesLehmannRatio(samples: readonly number[], baseline: readonly number[], confidence = 0.95): RatioEstimate {
  if (samples.length === 0 || baseline.length === 0) throw new RangeError('an effect needs samples on both sides')
  const [a, b] = [logarithms(samples), logarithms(baseline)]
  const pairs = new Float64Array(a.length * b.length)
  let at = 0
  for (const x of a) for (const y of b) pairs[at++] = x - y
  pairs.sort()
  const middle = (pairs.length - 1) / 2
  const value = Math.exp((pairs[Math.floor(middle)]! + pairs[Math.ceil(middle)]!) / 2)
  const rank = lowerRank(a.length, b.length, confidence)
  if (rank < 1) return { value }
  return { value, interval: { low: Math.exp(pairs[rank - 1]!), high: Math.exp(pairs[pairs.length - rank]!) } }
}

/** Rank, from 1, of the pair that is the interval's lower end; 0 where there is none. */
function lowerRank(n: number, m: number, confidence: number): number {
  const tail = (1 - confidence) / 2
  if (n * m <= EXACT_PAIRS) return mannWhitneyCdf(n, m).findLastIndex((probability) => probability <= tail) + 1
  const z = normalQuantile(1 - tail)
  return Math.floor((n * m) / 2 - z * Math.sqrt((n * m * (n + m + 1)) / 12))
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

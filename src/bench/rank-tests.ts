import { twoSided } from './normal.ts'
import type { Stratum } from './strata.ts'

/** Up to so many pairs the distribution of the statistic is counted out. */
const EXACT_PAIRS = 2_500

export interface RankTest {
  /** Pairs in which the first side is the larger; a tie counts a half. */
  u: number
  /** Two-sided. */
  p: number
  method: 'exact' | 'normal'
}

/** Whether two independent sides come from one distribution (Mann & Whitney 1947), see `rankTest`. */
export function mannWhitney(a: readonly number[], b: readonly number[]): RankTest {
  return rankTest([{ samples: a, baseline: b }])
}

/**
 * Whether both sides of each stratum come from one distribution, which may be another in each: the Mann-Whitney statistics of all strata
 * together (van Elteren 1960, whose weights are equal for strata of one size); of one stratum it is the test of Mann and Whitney. Exact
 * without ties and with few pairs, else the normal approximation with the tie correction of the variance and a continuity correction of ½
 * (Lehmann 1975, sections 1.4 and 3.3). Sides without any difference at all give p = 1. Throws RangeError for an empty side.
 */
export function rankTest(strata: readonly Stratum[]): RankTest {
  let [u, pairs, variance] = [0, 0, 0]
  let hasTies = false
  for (const { samples, baseline } of strata) {
    const [n, m] = [samples.length, baseline.length]
    if (n === 0 || m === 0) throw new RangeError('a rank test needs samples on both sides')
    const { rankSum, tieSum } = rankFirst(samples, baseline)
    u += rankSum - (n * (n + 1)) / 2
    pairs += n * m
    const total = n + m
    variance += ((n * m) / 12) * (total + 1 - tieSum / (total * (total - 1)))
    hasTies ||= tieSum > 0
  }
  const below = hasTies ? undefined : nullDistribution(strata)
  if (below !== undefined) return { u, p: Math.min(1, 2 * below[Math.min(u, pairs - u)]!), method: 'exact' }
  const distance = Math.max(0, Math.abs(u - pairs / 2) - 0.5)
  return { u, p: variance > 0 ? twoSided(distance / Math.sqrt(variance)) : 1, method: 'normal' }
}

/** P(U <= u) of the strata's statistics together when no side is the larger and nothing is tied; undefined where there are so many pairs that the normal distribution says the same. */
export function nullDistribution(
  strata: readonly { readonly samples: ArrayLike<number>; readonly baseline: ArrayLike<number> }[],
): number[] | undefined {
  if (strata.reduce((sum, { samples, baseline }) => sum + samples.length * baseline.length, 0) > EXACT_PAIRS) return undefined
  const [first, ...others] = strata.map(({ samples, baseline }) => mannWhitneyCdf(samples.length, baseline.length))
  return others.reduce(convolved, first ?? [1])
}

/** The distribution function of a sum of two independent counts, from those of both. */
function convolved(sum: readonly number[], other: readonly number[]): number[] {
  const last = sum.length - 1
  const below = new Float64Array(sum.length + other.length - 1)
  other.forEach((upTo, count) => {
    const chance = upTo - (other[count - 1] ?? 0)
    for (let total = count; total < below.length; total += 1) below[total]! += chance * sum[Math.min(total - count, last)]!
  })
  return Array.from(below, (probability) => Math.min(1, probability))
}

/** P(U <= u) for u = 0 … n·m when both sides have one distribution without ties (the recurrence of Mann & Whitney 1947, as a product of polynomials). */
export function mannWhitneyCdf(n: number, m: number): number[] {
  // Gaussian binomial coefficient: the product over i = 1 … n of (1 - q^(m+i)) / (1 - q^i); divided by C(m+i, i) on the way, so that nothing overflows.
  let counts = new Float64Array(n * m + 1)
  counts[0] = 1
  for (let i = 1; i <= n; i += 1) {
    const next = Float64Array.from(counts)
    for (let u = n * m; u >= m + i; u -= 1) next[u] = next[u]! - next[u - m - i]!
    for (let u = i; u <= n * m; u += 1) next[u] = next[u]! + next[u - i]!
    counts = next.map((count) => (count * i) / (m + i))
  }
  let sum = 0
  return Array.from(counts, (count) => (sum = Math.min(1, sum + Math.max(0, count))))
}

/** p-values corrected for their number, in their order (Holm 1979): the chance of any false alarm stays what it is for one. */
export function holm(pValues: readonly number[]): number[] {
  const order = pValues.map((p, index) => ({ p, index })).sort((x, y) => x.p - y.p)
  const corrected = Array.from<number>({ length: pValues.length })
  let largest = 0
  order.forEach(({ p, index }, position) => {
    largest = Math.max(largest, Math.min(1, p * (pValues.length - position)))
    corrected[index] = largest
  })
  return corrected
}

/**
 * Whether a series rises or falls with its index (Mann 1945, Kendall 1975): `s` counts pairs in order less pairs out of order; p is
 * two-sided, by the normal approximation with tie correction and without continuity correction. Fewer than 3 values: p = 1.
 */
export function mannKendall(series: readonly number[]): { s: number; p: number } {
  const n = series.length
  let s = 0
  for (let i = 0; i < n; i += 1) for (let j = i + 1; j < n; j += 1) s += Math.sign(series[j]! - series[i]!)
  const ties = tieGroups(series).reduce((sum, t) => sum + t * (t - 1) * (2 * t + 5), 0)
  const variance = (n * (n - 1) * (2 * n + 5) - ties) / 18
  return { s, p: n < 3 || variance <= 0 ? 1 : twoSided(s / Math.sqrt(variance)) }
}

/** Sum of the mid-ranks of `a` in both together, and Σ(t³ − t) over groups of t equal values. */
function rankFirst(a: readonly number[], b: readonly number[]): { rankSum: number; tieSum: number } {
  const all = [...a.map((value) => ({ value, isFirst: true })), ...b.map((value) => ({ value, isFirst: false }))]
  all.sort((x, y) => x.value - y.value)
  let rankSum = 0
  let tieSum = 0
  for (let start = 0; start < all.length;) {
    let end = start
    let firsts = 0
    while (end < all.length && all[end]!.value === all[start]!.value) {
      if (all[end]!.isFirst) firsts += 1
      end += 1
    }
    const size = end - start
    rankSum += firsts * ((start + 1 + end) / 2)
    tieSum += size ** 3 - size
    start = end
  }
  return { rankSum, tieSum }
}

function tieGroups(values: readonly number[]): number[] {
  const sizes = new Map<number, number>()
  for (const value of values) sizes.set(value, (sizes.get(value) ?? 0) + 1)
  return [...sizes.values()]
}

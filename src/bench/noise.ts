import { normalQuantile } from './normal.ts'
import { mannKendall } from './rank-tests.ts'
import { median, quantile } from './statistics.ts'

/** Indices of samples beyond Tukey's outer fences, three quartile distances above the third quartile or below the first (Tukey 1977). They are shown and never left out. */
export function outliers(samples: readonly number[]): number[] {
  if (samples.length < 4) return []
  const [first, third] = [quantile(samples, 0.25), quantile(samples, 0.75)]
  const reach = 3 * (third - first)
  return samples.flatMap((value, index) => (value > third + reach || value < first - reach ? [index] : []))
}

/** Whether a measure wandered while it was taken. */
export interface Drift {
  /** Change over the whole series as a part of the median, by the slope of Theil (1950) and Sen (1968): 0.1 rose by a tenth. */
  change: number
  /** Two-sided, of the Mann-Kendall test. */
  p: number
}

/** Drift over a series in the order in which it was taken; undefined below 8 samples, which cannot tell. */
export function drift(series: readonly number[]): Drift | undefined {
  if (series.length < 8) return undefined
  const thinned = series.length <= 400 ? series : series.filter((_, index) => index % Math.ceil(series.length / 400) === 0)
  const slopes: number[] = []
  for (let i = 0; i < thinned.length; i += 1)
    for (let j = i + 1; j < thinned.length; j += 1) slopes.push((thinned[j]! - thinned[i]!) / (j - i))
  const middle = median(thinned)
  return { change: middle === 0 ? 0 : (median(slopes) * (thinned.length - 1)) / middle, p: mannKendall(thinned).p }
}

/**
 * The smallest slow-down, as a part (0.08 is 8 %), that two sides of so many samples with the spread of these would show four times in
 * five at 5 %: (z₀.₉₇₅ + z₀.₈)·σ·√(2/n)·√(π/3), where σ is the spread of the logarithms by their median absolute deviation and π/3 what
 * the rank test gives away against the t-test for normal noise. Undefined below 4 samples.
 */
export function smallestDifference(samples: readonly number[]): number | undefined {
  if (samples.length < 4 || !samples.every((value) => value > 0)) return undefined
  const logs = samples.map(Math.log)
  const middle = median(logs)
  const spread = 1.4826 * median(logs.map((value) => Math.abs(value - middle)))
  const z = normalQuantile(0.975) + normalQuantile(0.8)
  return Math.expm1(z * spread * Math.sqrt((2 / samples.length) * (Math.PI / 3)))
}

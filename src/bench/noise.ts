import { normalQuantile } from './normal.ts'
import { mannKendall } from './rank-tests.ts'
import { median, quantile } from './statistics.ts'
import { neighbours } from './strata.ts'

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
 * five when they are taken in turn. Noether's formula (1987) for the rank test of n blocks in strata of k, solved for the chance that a
 * sample is above one of the other side, P = ½ + (z₀.₉₉₅ + z₀.₈)·√((2k+1)/12nk), which for normal noise is a shift of √2·σ·z(P). σ is the
 * spread of the logarithms within their strata, 1.0483 times the median distance of two of one stratum (Shamos 1976), so that drift,
 * which meets both sides, is not in it. Undefined where so few samples show no difference at all.
 */
export function smallestDifference(samples: readonly number[]): number | undefined {
  if (!samples.every((value) => value > 0)) return undefined
  const strata = neighbours(samples.map(Math.log))
  const [n, k] = [samples.length, samples.length / strata.length]
  const chance = 0.5 + (normalQuantile(0.995) + normalQuantile(0.8)) * Math.sqrt((2 * k + 1) / (12 * n * k))
  if (!(chance < 1)) return undefined
  const distances = strata.flatMap((stratum) =>
    stratum.flatMap((one, index) => stratum.slice(index + 1).map((other) => Math.abs(one - other))),
  )
  return Math.expm1(Math.SQRT2 * 1.0483 * median(distances) * normalQuantile(chance))
}

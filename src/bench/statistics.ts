import { mulberry32 } from './random.ts'

/** Order statistics and resampling over samples of one measure. Nothing is rounded here; samples keep the unit they came in. */

/** A point estimate with the interval that a bootstrap gives it. */
export interface Estimate {
  value: number
  low: number
  high: number
  /** How many samples it stands on. */
  count: number
}

/**
 * The p-quantile, `p` in [0, 1], by linear interpolation between order statistics
 * (Hyndman & Fan 1996, type 7: R's and NumPy's default). Throws RangeError without samples.
 */
export function quantile(samples: readonly number[], p: number): number {
  if (samples.length === 0) throw new RangeError('a quantile needs at least one sample')
  if (!(p >= 0 && p <= 1)) throw new RangeError(`a quantile is asked for between 0 and 1, not at ${p}`)
  return quantileOfSorted(Float64Array.from(samples).sort(), p)
}

function quantileOfSorted(sorted: Float64Array, p: number): number {
  const position = (sorted.length - 1) * p
  const below = Math.floor(position)
  const low = sorted[below]!
  const high = sorted[Math.min(below + 1, sorted.length - 1)]!
  return low + (high - low) * (position - below)
}

export function median(samples: readonly number[]): number {
  return quantile(samples, 0.5)
}

/**
 * The p-quantile of the samples, their median when none is named, with a 95 % percentile-bootstrap interval (Efron 1979), from `resamples`
 * resamples drawn by a seeded generator, so that the same samples always give the same interval.
 */
export function bootstrap(samples: readonly number[], p = 0.5, resamples = 2000): Estimate {
  const random = mulberry32(0x5eed)
  const quantileOf = quantileOfResample(samples, p)
  const estimates = Array.from({ length: resamples }, () => quantileOf(resample(samples.length, random)))
  return { value: quantile(samples, p), low: quantile(estimates, 0.025), high: quantile(estimates, 0.975), count: samples.length }
}

/**
 * The ratio of a quantile of two sides, `samples` over `baseline`, with a 95 % percentile-bootstrap interval. Sides are resampled
 * independently; with `isPaired`, sides of one length are resampled by their index, so that what met both at once stays together.
 */
export function bootstrapRatio(
  samples: readonly number[],
  baseline: readonly number[],
  p = 0.5,
  { resamples = 2000, isPaired = false } = {},
): Estimate {
  const random = mulberry32(0x5eed)
  const [above, below] = [quantileOfResample(samples, p), quantileOfResample(baseline, p)]
  const isJoint = isPaired && samples.length === baseline.length
  const ratios = Array.from({ length: resamples }, () => {
    const drawn = resample(samples.length, random)
    return above(drawn) / below(isJoint ? drawn : resample(baseline.length, random))
  })
  return {
    value: quantile(samples, p) / quantile(baseline, p),
    low: quantile(ratios, 0.025),
    high: quantile(ratios, 0.975),
    count: Math.min(samples.length, baseline.length),
  }
}

/**
 * The interval of a quantile that two order statistics give, whatever the distribution: its ends are samples. Ranks are the binomial's
 * (Conover 1999, section 3.2), so the confidence is at least `confidence`; undefined where so few samples allow no such interval.
 */
export function quantileInterval(
  samples: readonly number[],
  p: number,
  confidence = 0.95,
): { low: number; high: number } | undefined {
  const ranks = quantileRanks(samples.length, p, confidence)
  if (ranks === undefined) return undefined
  const sorted = Float64Array.from(samples).sort()
  return { low: sorted[ranks.low - 1]!, high: sorted[ranks.high - 1]! }
}

/** Ranks, from 1, of the order statistics of `quantileInterval`: each tail beyond them holds at most half of what is left of 1. */
export function quantileRanks(count: number, p: number, confidence = 0.95): { low: number; high: number } | undefined {
  const tail = (1 - confidence) / 2
  // P(B <= k) of the binomial (count, p), summed from logarithms so that 0.5^1000 is no nought.
  const below: number[] = []
  let logChoose = 0
  let sum = 0
  for (let k = 0; k <= count; k += 1) {
    if (k > 0) logChoose += Math.log((count - k + 1) / k)
    sum += Math.exp(logChoose + k * Math.log(p) + (count - k) * Math.log(1 - p))
    below.push(Math.min(1, sum))
  }
  const low = below.findLastIndex((probability) => probability <= tail) + 1
  const high = below.findIndex((probability) => probability >= 1 - tail) + 1
  return low < 1 || high < 1 || high > count ? undefined : { low, high }
}

/** How often each of `count` samples was drawn, with replacement. */
function resample(count: number, random: () => number): Int32Array {
  const drawn = new Int32Array(count)
  for (let draw = 0; draw < count; draw += 1) drawn[Math.floor(random() * count)]! += 1
  return drawn
}

/** The p-quantile of resamples of `samples`. They are counted, not sorted: how often each sample was drawn says which order statistic stands where. */
function quantileOfResample(samples: readonly number[], p: number): (drawn: Int32Array) => number {
  const order = [...samples.keys()].sort((a, b) => samples[a]! - samples[b]!)
  const position = (order.length - 1) * p
  const [below, above] = [Math.floor(position), Math.ceil(position)]
  return (drawn) => {
    let rank = 0
    let index = drawn[order[0]!]!
    while (index <= below) index += drawn[order[(rank += 1)]!]!
    const low = samples[order[rank]!]!
    while (index <= above) index += drawn[order[(rank += 1)]!]!
    return low + (samples[order[rank]!]! - low) * (position - below)
  }
}

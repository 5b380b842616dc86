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
  const sorted = samples.toSorted((a, b) => a - b)
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
 * `statistic` of the samples with a 95 % percentile-bootstrap interval (Efron 1979), from `resamples` resamples drawn by a
 * seeded generator, so that the same samples always give the same interval.
 */
export function bootstrap(
  samples: readonly number[],
  statistic: (samples: readonly number[]) => number = median,
  resamples = 2000,
): Estimate {
  const random = mulberry32(0x5eed)
  const estimates = Array.from({ length: resamples }, () => statistic(resample(samples, random)))
  return { value: statistic(samples), low: quantile(estimates, 0.025), high: quantile(estimates, 0.975), count: samples.length }
}

/** The ratio of two medians, `samples` over `baseline`, with a 95 % bootstrap interval; both sides are resampled independently. */
export function bootstrapRatio(samples: readonly number[], baseline: readonly number[], resamples = 2000): Estimate {
  const random = mulberry32(0x5eed)
  const ratios = Array.from({ length: resamples }, () => median(resample(samples, random)) / median(resample(baseline, random)))
  return {
    value: median(samples) / median(baseline),
    low: quantile(ratios, 0.025),
    high: quantile(ratios, 0.975),
    count: Math.min(samples.length, baseline.length),
  }
}

function resample(samples: readonly number[], random: () => number): number[] {
  return samples.map(() => samples[Math.floor(random() * samples.length)]!)
}

/** A 32-bit generator, uniform in [0, 1): Tommy Ettinger's Mulberry32, public domain. */
function mulberry32(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}

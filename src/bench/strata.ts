/** Samples of two sides that were taken in the same weather, and so are compared with one another only. */
export interface Stratum {
  samples: readonly number[]
  baseline: readonly number[]
}

/** Blocks of one stratum: enough that little is lost against comparing all with all (van Elteren's test keeps 2k/(2k+1) of it, 10/11), few enough that a machine changes little meanwhile. */
export const BLOCKS_A_STRATUM = 5

/**
 * Two sides that were measured in blocks, each block once a side, in the order of the blocks: neighbouring blocks make a stratum, so that
 * a machine that grows slower under work moves both sides of it alike. Sides of unlike length were not measured so and make one stratum.
 */
export function strataOf(samples: readonly number[], baseline: readonly number[]): Stratum[] {
  const blocks = samples.length
  if (blocks !== baseline.length) return [{ samples, baseline }]
  return portions(blocks).map(([from, to]) => ({ samples: samples.slice(from, to), baseline: baseline.slice(from, to) }))
}

/** Neighbouring samples of one series, as `strataOf` divides them. */
export function neighbours(series: readonly number[]): number[][] {
  return portions(series.length).map(([from, to]) => series.slice(from, to))
}

/** Portions whose sizes differ by one at most. */
function portions(count: number): [from: number, to: number][] {
  const strata = Math.max(1, Math.round(count / BLOCKS_A_STRATUM))
  const edge = (index: number): number => Math.round((index * count) / strata)
  return Array.from({ length: strata }, (_, index) => [edge(index), edge(index + 1)])
}

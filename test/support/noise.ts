import { normalQuantile } from '../../src/bench/normal.ts'
import { mulberry32 } from '../../src/bench/random.ts'

/** Log-normal noise around a centre, as times have it; the same seed gives the same values. */
export function noise(seed: number, count: number, spread = 0.1, centre = 100): number[] {
  const random = mulberry32(seed * 2654435761)
  return Array.from({ length: count }, () => centre * Math.exp(spread * normalQuantile(Math.max(1e-9, random()))))
}

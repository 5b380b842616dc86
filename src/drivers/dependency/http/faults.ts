import type { Faults } from '../../../plan/remote.ts'

/** z of the 99th percentile of a normal distribution. */
const Z99 = 2.326_347_874

/** What is to go wrong with one request. */
export interface Fate {
  delayMs: number
  /** Status of an answer instead of the upstream's. */
  errorStatus: number | undefined
  isCut: boolean
  bytesPerSecond: number | undefined
}

/** Draws a request's fate; `random` gives numbers in [0, 1). */
export function drawFate(faults: Faults, random: () => number): Fate {
  return {
    delayMs: faults.latency ? logNormal(faults.latency, random) : 0,
    errorStatus: random() < (faults.errorRate ?? 0) ? (faults.errorStatus ?? 503) : undefined,
    isCut: random() < (faults.cutRate ?? 0),
    bytesPerSecond: faults.bytesPerSecond,
  }
}

/** A log-normal sample whose median is `p50` and whose 99th percentile is `p99`. */
export function logNormal({ p50, p99 }: { p50: number; p99: number }, random: () => number): number {
  if (p50 <= 0) return 0
  const sigma = Math.max(0, Math.log(p99 / p50)) / Z99
  // Box and Muller; 1 - x keeps the logarithm's argument above zero.
  const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
  return p50 * Math.exp(sigma * normal)
}

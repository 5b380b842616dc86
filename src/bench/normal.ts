/** Probability that a standard normal variable is at most `z`; absolute error below 1e-12 (Marsaglia 2004, J. Stat. Softw. 11(4), the Taylor series about 0; tails by Laplace's continued fraction). */
export function normalCdf(z: number): number {
  if (Number.isNaN(z)) return Number.NaN
  if (z < -7) return upperTail(-z)
  if (z > 7) return 1 - upperTail(z)
  let sum = z
  let term = z
  for (let i = 3; sum + term !== sum; i += 2) {
    term *= (z * z) / i
    sum += term
  }
  return 0.5 + sum * density(z)
}

/** Two-sided probability of a standard normal variable further from 0 than `z`. */
export function twoSided(z: number): number {
  const distance = Math.abs(z)
  return Math.min(1, 2 * (distance > 5 ? upperTail(distance) : 1 - normalCdf(distance)))
}

/** The z below which a standard normal variable lies with probability `p` in (0, 1): bisection on `normalCdf`. Throws RangeError outside. */
export function normalQuantile(p: number): number {
  if (!(p > 0 && p < 1)) throw new RangeError(`a normal quantile is asked for between 0 and 1, not at ${p}`)
  let low = -40
  let high = 40
  while (high - low > 1e-13) {
    const middle = (low + high) / 2
    if (middle === low || middle === high) break
    if (normalCdf(middle) < p) low = middle
    else high = middle
  }
  return (low + high) / 2
}

function density(z: number): number {
  return Math.exp(-0.5 * z * z) / Math.sqrt(2 * Math.PI)
}

/** For z well above 0. */
function upperTail(z: number): number {
  let fraction = 0
  for (let i = 60; i >= 1; i -= 1) fraction = i / (z + fraction)
  return density(z) / (z + fraction)
}

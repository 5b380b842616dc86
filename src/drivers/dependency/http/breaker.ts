/** Stops asking an upstream that fails, and lets one request try after a while. */
export interface Breaker {
  /** Whether a request may go; with how long it is until one may, in milliseconds. */
  admit(): { admitted: true } | { admitted: false; waitMs: number }
  report(isGood: boolean): void
  /** An admitted request told nothing, since its client left. */
  forget(): void
}

/** Opens after `failures` in a row, for `coolMs`. */
export function createBreaker(
  { failures, coolMs }: { failures: number; coolMs: number },
  now: () => number = () => performance.now(),
): Breaker {
  let inARow = 0
  let openUntil: number | undefined
  let isTrying = false
  return {
    admit() {
      if (openUntil === undefined) return { admitted: true }
      const waitMs = openUntil - now()
      if (waitMs > 0 || isTrying) return { admitted: false, waitMs: Math.max(waitMs, 0) }
      isTrying = true
      return { admitted: true }
    },
    report(isGood) {
      isTrying = false
      if (isGood) {
        inARow = 0
        openUntil = undefined
        return
      }
      inARow += 1
      if (inARow >= failures) openUntil = now() + coolMs
    },
    forget() {
      isTrying = false
    },
  }
}

const WINDOW_MS = 10_000
const SLOT_MS = 1_000
const SLOTS = WINDOW_MS / SLOT_MS

/** Counts requests and retries of the last ten seconds, so that retries stay a part of them: an upstream in need is not asked twice as much. */
export interface RetryBudget {
  countRequest(): void
  /** Takes a retry out of the budget, if there is one left. One is always free. */
  take(): boolean
}

export function createRetryBudget(part: number, now: () => number = () => performance.now()): RetryBudget {
  const requests = new Float64Array(SLOTS)
  const retries = new Float64Array(SLOTS)
  let newest = Math.floor(now() / SLOT_MS)

  const turn = (): number => {
    const slot = Math.floor(now() / SLOT_MS)
    for (let at = Math.max(newest + 1, slot - SLOTS + 1); at <= slot; at += 1) requests[at % SLOTS] = retries[at % SLOTS] = 0
    newest = Math.max(newest, slot)
    return newest % SLOTS
  }
  const sum = (counts: Float64Array): number => counts.reduce((total, count) => total + count, 0)

  return {
    countRequest() {
      requests[turn()]! += 1
    },
    take() {
      const slot = turn()
      if (sum(retries) + 1 > Math.max(1, part * sum(requests))) return false
      retries[slot]! += 1
      return true
    },
  }
}

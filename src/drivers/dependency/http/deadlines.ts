/** Something that may take too long. */
export interface Timed {
  /** Called every now and then with `performance.now()`. */
  check(now: number): void
}

/** One timer for all requests: a timer for each costs more than what it watches. */
export interface Deadlines {
  add(timed: Timed): void
  delete(timed: Timed): void
  close(): void
}

export function createDeadlines(tickMs: number): Deadlines {
  const all = new Set<Timed>()
  let timer: NodeJS.Timeout | undefined
  const tick = (): void => {
    const now = performance.now()
    for (const timed of all) timed.check(now)
    if (all.size > 0 || timer === undefined) return
    clearInterval(timer)
    timer = undefined
  }
  return {
    add(timed) {
      all.add(timed)
      timer ??= setInterval(tick, tickMs).unref()
    },
    delete: (timed) => void all.delete(timed),
    close() {
      clearInterval(timer)
      timer = undefined
      all.clear()
    },
  }
}

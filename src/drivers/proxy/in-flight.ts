/** Counts what a service is at work on, so that its process can be ended when that is done. */
export interface InFlight {
  /** Counts one in; the returned function counts it out, once. */
  enter(): () => void
  /** Resolves when nothing is at work, or when the time is up. */
  drained(withinMs: number): Promise<void>
  isIdle(): boolean
}

export function createInFlight(): InFlight {
  let count = 0
  const waiting = new Set<() => void>()
  const leave = (): void => {
    count -= 1
    if (count === 0) for (const wake of waiting) wake()
  }
  return {
    enter() {
      count += 1
      let isIn = true
      return () => {
        if (isIn) leave()
        isIn = false
      }
    },
    isIdle: () => count === 0,
    drained: (withinMs) =>
      new Promise((resolve) => {
        if (count === 0) return resolve()
        const end = (): void => {
          clearTimeout(timer)
          waiting.delete(end)
          resolve()
        }
        const timer = setTimeout(end, withinMs)
        waiting.add(end)
      }),
  }
}

/** Something that changes and that others wait for. */
export interface Change {
  announce(): void
  /** Resolves true as soon as `holds`; false when `giveUpAt` (of `performance.now()`, asked anew after each change) has come. */
  until(holds: () => boolean, giveUpAt: () => number | undefined): Promise<boolean>
}

export function createChange(): Change {
  let listeners = new Set<() => void>()
  return {
    announce() {
      const told = listeners
      listeners = new Set()
      for (const listener of told) listener()
    },
    async until(holds, giveUpAt) {
      while (!holds()) {
        const left = (giveUpAt() ?? Infinity) - performance.now()
        if (left <= 0) return false
        await new Promise<void>((resolve) => {
          const timer = left === Infinity ? undefined : setTimeout(resolve, Math.min(left, 60_000))
          listeners.add(() => {
            clearTimeout(timer)
            resolve()
          })
        })
      }
      return true
    },
  }
}

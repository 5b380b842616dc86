export interface IdleTimer {
  /** Begins to count, unless something is needed. */
  start(): void
  stop(): void
}

/** Calls `onIdle` when nothing was needed for `afterMs`; 0 means never. */
export function createIdleTimer(afterMs: number, isNeeded: () => boolean, onIdle: () => void): IdleTimer {
  let timer: NodeJS.Timeout | undefined
  const stop = (): void => clearTimeout(timer)
  return {
    stop,
    start() {
      stop()
      if (afterMs === 0 || isNeeded()) return
      timer = setTimeout(() => {
        if (!isNeeded()) onIdle()
      }, afterMs).unref()
    },
  }
}

const TICK_MS = 20

/** Lets bytes of one direction through at a rate. */
export interface Pacer {
  push(chunk: Buffer): void
  /** Runs `then` when everything pushed is through. */
  end(then: () => void): void
  stop(): void
}

/** `hold` and `release` stop and start the source while bytes wait. */
export function createPacer(
  bytesPerSecond: number,
  deliver: (chunk: Buffer) => void,
  hold: () => void,
  release: () => void,
): Pacer {
  const queue: Buffer[] = []
  let timer: NodeJS.Timeout | undefined
  let atEnd: (() => void) | undefined
  let credit = 0
  let since = performance.now()

  const run = (): void => {
    timer = undefined
    const now = performance.now()
    // What was not used in a pause is not caught up with later.
    credit = Math.min(credit + ((now - since) * bytesPerSecond) / 1_000, Math.max(1, bytesPerSecond / 10))
    since = now
    while (queue.length > 0 && credit >= 1) {
      const first = queue[0]!
      const size = Math.min(first.length, Math.floor(credit))
      credit -= size
      if (size === first.length) queue.shift()
      else queue[0] = first.subarray(size)
      deliver(first.subarray(0, size))
    }
    if (queue.length > 0) timer = setTimeout(run, Math.max(TICK_MS, 1_000 / bytesPerSecond))
    else {
      release()
      atEnd?.()
      atEnd = undefined
    }
  }

  return {
    push(chunk) {
      if (queue.length === 0) hold()
      queue.push(chunk)
      if (timer === undefined) run()
    },
    end(then) {
      if (queue.length === 0) then()
      else atEnd = then
    },
    stop() {
      clearTimeout(timer)
      queue.length = 0
      atEnd = undefined
    },
  }
}

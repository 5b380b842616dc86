import type { WireEvent } from '../../wire/messages.ts'

/** Shows the events of one command while it works. */
export interface Progress {
  event(event: WireEvent): void
  /** Ends the showing: what is on screen becomes final, timers end. Idempotent. */
  end(): void
}

/** Time as progress sees it; tests bring their own. */
export interface Clock {
  /** Milliseconds since the command began. */
  elapsed(): number
  /** Calls back every `ms`; returns the way to end it. */
  every(ms: number, callback: () => void): () => void
}

export function realClock(): Clock {
  const began = performance.now()
  return {
    elapsed: () => performance.now() - began,
    every: (ms, callback) => {
      const timer = setInterval(callback, ms)
      return () => clearInterval(timer)
    },
  }
}

import type { DependencyEvent } from '../dependency-ports.ts'

/** How many events of a dependency are kept. */
const KEPT = 1_000

/** The last events of a dependency, in the order they came, and who listens for more. */
export interface EventRing {
  add(event: DependencyEvent): void
  last(count: number): DependencyEvent[]
  listen(listener: (event: DependencyEvent) => void): () => void
}

export function createEventRing(size = KEPT): EventRing {
  const events: DependencyEvent[] = []
  const listeners = new Set<(event: DependencyEvent) => void>()
  let next = 0
  return {
    add(event) {
      events[next] = event
      next = (next + 1) % size
      for (const listener of listeners) listener(event)
    },
    last(count) {
      const inOrder = events.length < size ? events : [...events.slice(next), ...events.slice(0, next)]
      return count === 0 ? [] : inOrder.slice(-count)
    },
    listen(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}

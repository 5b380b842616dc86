import type { DependencyEvent, DependencyHealth } from '../../../engine/dependency-ports.ts'
import { createLatencies } from '../latencies.ts'

/** Counts what passed. */
export interface HealthBook {
  note(event: DependencyEvent): void
  /** The upstream answered after `ms` to its first header. */
  proven(time: number, ms: number): void
  read(openConnections: number): DependencyHealth
  /** Something went wrong that was no request. */
  fail(message: string): void
  /** Another upstream: nothing is proved of it. */
  reset(): void
}

export function createHealthBook(): HealthBook {
  const latencies = createLatencies()
  let requests = 0
  let refused = 0
  let failed = 0
  let state: DependencyHealth['state'] = 'unknown'
  let provenAt: number | undefined
  let lastError: DependencyHealth['lastError']

  return {
    note(event) {
      requests += 1
      if (event.outcome === 'refused') refused += 1
      if (event.outcome !== 'failed') return
      failed += 1
      // Faults that the user asked for say nothing of the upstream.
      if (event.servedBy === 'fault') return
      state = 'failing'
      lastError = { time: event.time, message: event.cause ?? 'failed' }
    },
    proven(time, ms) {
      latencies.add(ms)
      state = 'ready'
      provenAt = time
    },
    fail(message) {
      state = 'failing'
      lastError = { time: Date.now(), message }
    },
    read(openConnections) {
      return {
        state,
        ...(provenAt !== undefined && { provenAt }),
        ...(lastError && { lastError }),
        requests,
        refused,
        failed,
        ...latencies.read(),
        openConnections,
      }
    },
    reset() {
      state = 'unknown'
      provenAt = undefined
      latencies.clear()
    },
  }
}

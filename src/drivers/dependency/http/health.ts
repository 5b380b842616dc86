import type { DependencyEvent, DependencyHealth } from '../../../engine/dependency-ports.ts'

const KEPT = 1_000

/** Counts what passed. */
export interface HealthBook {
  note(event: DependencyEvent): void
  /** The upstream answered after `ms` to its first header. */
  proven(time: number, ms: number): void
  read(openConnections: number): DependencyHealth
  /** Another upstream: nothing is proved of it. */
  reset(): void
}

export function createHealthBook(): HealthBook {
  const latencies = new Float64Array(KEPT)
  let answers = 0
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
      latencies[answers++ % KEPT] = ms
      state = 'ready'
      provenAt = time
    },
    read(openConnections) {
      const sorted = latencies.slice(0, Math.min(answers, KEPT)).sort()
      return {
        state,
        ...(provenAt !== undefined && { provenAt }),
        ...(lastError && { lastError }),
        requests,
        refused,
        failed,
        ...(answers > 0 && { p50: nearestRank(sorted, 0.5), p99: nearestRank(sorted, 0.99) }),
        openConnections,
      }
    },
    reset() {
      state = 'unknown'
      provenAt = undefined
      answers = 0
    },
  }
}

function nearestRank(sorted: Float64Array, p: number): number {
  return sorted[Math.max(0, Math.ceil(p * sorted.length) - 1)]!
}

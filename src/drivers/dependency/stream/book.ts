import type { DependencyEvent, DependencyHealth, DependencySetting, ServedBy } from '../../../engine/dependency-ports.ts'
import { createLatencies } from '../latencies.ts'

/** What one part of a dependency's traffic was; the book adds whose it is and when. */
export interface Entry {
  summary: string
  /** `performance.now()` of its begin. */
  began: number
  /** What counts for the latencies where that is not the whole duration. */
  latencyMs?: number
  outcome: DependencyEvent['outcome']
  servedBy: ServedBy
  status?: string
  cause?: string
  sentBytes: number
  receivedBytes: number
}

/** Keeps account of one dependency: its health, and an event for each part of its traffic. */
export interface Book {
  /** Counts a connection until what it returns is called. */
  open(): () => void
  record(setting: DependencySetting, entry: Entry): void
  /** The upstream has answered, to traffic or to a probe. */
  prove(): void
  /** The upstream could not be reached, or broke off. */
  fail(message: string): void
  /** The last proof holds no longer: the upstream closed a connection unasked, or another upstream was set. */
  doubt(): void
  health(): DependencyHealth
}

export function createBook(onEvent: (event: DependencyEvent) => void): Book {
  let state: DependencyHealth['state'] = 'unknown'
  let provenAt: number | undefined
  let lastError: DependencyHealth['lastError']
  let openConnections = 0
  const counts = { requests: 0, refused: 0, failed: 0 }
  const latencies = createLatencies()

  const book: Book = {
    open() {
      openConnections += 1
      let isOpen = true
      return () => {
        if (isOpen) openConnections -= 1
        isOpen = false
      }
    },
    record(setting, entry) {
      const durationMs = performance.now() - entry.began
      const now = Date.now()
      counts.requests += 1
      if (entry.outcome === 'refused') counts.refused += 1
      if (entry.outcome === 'failed') {
        counts.failed += 1
        book.fail(entry.cause ?? 'it failed')
      }
      if (entry.outcome === 'answered') {
        latencies.add(entry.latencyMs ?? durationMs)
        state = 'ready'
        provenAt = now
      }
      // Field by field: this runs for every query.
      onEvent({
        dependency: setting.name,
        time: now - durationMs,
        durationMs,
        protocol: setting.protocol,
        summary: entry.summary,
        outcome: entry.outcome,
        status: entry.status,
        servedBy: entry.servedBy,
        cause: entry.cause,
        sentBytes: entry.sentBytes,
        receivedBytes: entry.receivedBytes,
      })
    },
    prove() {
      state = 'ready'
      provenAt = Date.now()
    },
    fail(message) {
      state = 'failing'
      lastError = { time: Date.now(), message }
    },
    doubt() {
      if (state === 'ready') state = 'unknown'
    },
    health() {
      return { state, provenAt, lastError, ...counts, ...latencies.read(), openConnections }
    },
  }
  return book
}

/** Where an answer comes from while the setting holds. */
export function servedByOf({ mode }: DependencySetting): ServedBy {
  return mode === 'local' ? 'local' : 'upstream'
}

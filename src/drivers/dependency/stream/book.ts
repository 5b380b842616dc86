import type { DependencyEvent, DependencyHealth, DependencySetting, ServedBy } from '../../../engine/dependency-ports.ts'

/** Over how many answers the latencies are taken. */
const KEPT = 1_000

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
  const latencies = new Float64Array(KEPT)
  let answers = 0

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
      counts.requests += 1
      if (entry.outcome === 'refused') counts.refused += 1
      if (entry.outcome === 'failed') {
        counts.failed += 1
        book.fail(entry.cause ?? 'it failed')
      }
      if (entry.outcome === 'answered') {
        latencies[answers % KEPT] = entry.latencyMs ?? durationMs
        answers += 1
        book.prove()
      }
      // Field by field: this runs for every query.
      onEvent({
        dependency: setting.name,
        time: Date.now() - durationMs,
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
      const sorted = latencies.slice(0, Math.min(answers, KEPT)).sort()
      const at = (part: number): number | undefined => sorted[Math.ceil(part * sorted.length) - 1]
      return { state, provenAt, lastError, ...counts, p50: at(0.5), p99: at(0.99), openConnections }
    },
  }
  return book
}

/** Where an answer comes from while the setting holds. */
export function servedByOf({ mode }: DependencySetting): ServedBy {
  return mode === 'local' ? 'local' : 'upstream'
}

/** What the server answers with one ReadyForQuery: a simple query, or all up to a Sync. */
export interface Unit {
  summary: string
  began: number
  sentBytes: number
  refusedWhy?: string
  /** SQLSTATE of its error. */
  status?: string
}

/** Follows which commands are under way on one session, in their order. */
export interface Tracker {
  /** Bytes on their way to the server. */
  sent(bytes: number): void
  received(bytes: number): void
  simple(summary: string): Unit
  parsed(name: string, summary: string): void
  bound(name: string): void
  closed(name: string): void
  /** Of the extended protocol; what was refused is what the unit is remembered for. */
  refused(summary: string, why: string): void
  sync(): void
  /** The unit that an answer belongs to now. */
  current(): Unit | undefined
  /** The server is ready: its oldest unit is over. */
  ready(): Unit | undefined
  /** Bytes received since it was asked last. */
  takeReceived(): number
  isIdle(): boolean
  /** What was under way when the connection broke. */
  rest(): Unit | undefined
}

/** As many names of prepared statements as are remembered for one session. */
const NAMES = 10_000

export function createTracker(): Tracker {
  const names = new Map<string, string>()
  let units: Unit[] = []
  /** Commands of the extended protocol since the last Sync. */
  let open: Unit | undefined
  let sentBytes = 0
  let receivedBytes = 0

  const begin = (summary: string): Unit => ({ summary, began: performance.now(), sentBytes: 0 })
  const push = (unit: Unit): void => {
    unit.sentBytes = sentBytes
    sentBytes = 0
    units.push(unit)
  }
  return {
    sent: (bytes) => void (sentBytes += bytes),
    received: (bytes) => void (receivedBytes += bytes),
    simple(summary) {
      const unit = begin(summary)
      push(unit)
      return unit
    },
    parsed(name, summary) {
      if (names.size >= NAMES) names.clear()
      names.set(name, summary)
      open ??= begin(summary)
    },
    bound(name) {
      const summary = names.get(name) ?? 'EXECUTE'
      open ??= begin(summary)
    },
    closed: (name) => void names.delete(name),
    refused(summary, why) {
      open ??= begin(summary)
      open.summary = summary
      open.refusedWhy = why
    },
    sync() {
      push(open ?? begin('SYNC'))
      open = undefined
    },
    current: () => units[0] ?? open,
    ready: () => units.shift(),
    takeReceived() {
      const bytes = receivedBytes
      receivedBytes = 0
      return bytes
    },
    isIdle: () => units.length === 0 && open === undefined,
    rest() {
      const unit = units[0] ?? open
      units = []
      return unit
    },
  }
}

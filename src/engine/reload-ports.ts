import type { ServicePlan } from '../plan/types.ts'
import type { ReloadRestart } from '../spec/reload-policy.ts'

/** Tells what changes under a folder. One contract suite runs over each implementation: `test/contract/watcher.ts`. */
export interface Watcher {
  readonly name: string
  /** Resolves when no later change can be missed. Throws WATCH_ROOT_MISSING; a limit of the machine degrades, and says so, rather than throws. */
  watch(root: string, options: WatchOptions): Promise<Watching>
}

export interface WatchOptions {
  /** Asked with a path relative to the root, `/` between its parts, before a watch is set. What is in an ignored folder is ignored. */
  isIgnored(path: string, isFolder: boolean): boolean
  /** On the leading edge: a batch is told in the turn after its first event, without a pause. */
  onBatch(batch: WatchBatch): void
  onDegraded?(warning: WatchWarning): void
}

export interface WatchBatch {
  /** Epoch milliseconds with fractions, when the first of its events was heard. */
  seenAt: number
  /** Files and links that were made, written, renamed or are gone, each once, relative to the root; what is there now must be looked up. */
  paths: string[]
  /** Events were lost: anything may have changed. */
  isComplete: boolean
}

export interface WatchWarning {
  /** `WATCH_NAME_UNREADABLE`: a name that is no UTF-8; what it names is not told. */
  code: 'WATCH_OVERFLOW' | 'WATCH_LIMIT' | 'WATCH_FOLDER_UNREADABLE' | 'WATCH_NAME_UNREADABLE'
  message: string
  hint: string
}

export interface Watching {
  /** How many watches of the system it holds. */
  readonly watches: number
  close(): Promise<void>
}

/** One file that replicas must hold beyond, or instead of, what their image has. */
export interface OverlayFile {
  /** Absolute path on this machine; undefined: it must not be there. */
  source: string | undefined
  /** sha-256 of its content in hex; empty when it must not be there. */
  hash: string
  /** Permission bits. */
  mode: number
  sizeBytes: number
  /** Where a symbolic link leads, as written; links stay inside the container's code folder. */
  link?: string
}

/** By absolute path in the container: everything that a replica must hold beyond its image. The whole, never a difference. */
export type Overlay = ReadonlyMap<string, OverlayFile>

export interface ReloadOrder {
  service: ServicePlan
  /** Counts up within a run, over daemons. */
  sequence: number
  overlay: Overlay
  /** Of the overlay; what a replica that holds it answers with. */
  mark: string
  restart: ReloadRestart
  /** Keeps new requests of the service at the front door and waits for those in flight, for a bounded time; what it returns lets them go on. */
  hold(): Promise<() => void>
  /** Waits until the requests at endpoints that left the service have been answered, for a bounded time; asked for after `endpoints` was emitted. */
  drain?(): Promise<void>
  /** Notes that a phase is over, now. Phases come in this order, some not at all. */
  passed(phase: 'sent' | 'applied' | 'restarted' | 'ready'): void
  signal: AbortSignal
}

export interface ReloadOutcome {
  replicas: ReplicaOutcome[]
}

export interface ReplicaOutcome {
  /** As in `ServiceState`. */
  id: string
  /** `pending`: it cannot be reached now and gets the order when it can. `failed`: it holds the files, and what it runs does not become ready. */
  state: 'ready' | 'pending' | 'failed'
  /** Why it is not ready, with the last lines that it wrote. */
  cause?: string
  evidence?: string[]
  /** The last good version answers in its place. */
  isServingOld?: boolean
  /** Files that could not be applied, each with its cause; tried again at the next order and after a pause. */
  refused?: { path: string; cause: string }[]
}

/** What one replica holds. */
export interface Holding {
  replica: string
  /** Of the last overlay that it acknowledged; undefined when it cannot be asked. */
  mark: string | undefined
  /** Of the last order that it runs. */
  sequence: number | undefined
}

/** What a replica holds, file by file, against what it should. */
export interface Verification {
  replica: string
  /** Absent: the replica could not be asked. */
  checked?: number
  differing: { path: string; expected: string; actual: string | undefined }[]
  cause?: string
}

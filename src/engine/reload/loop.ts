import type { ErrorShape } from '../../core/errors.ts'

/** What one loop did with a save. `none`: nothing that runs was concerned. */
export type LoopAction = 'sync' | 'build' | 'install' | 'image' | 'plan' | 'restart' | 'none'

/** The phases of a loop, in their order; not every loop has all of them. */
export type LoopPhase =
  | 'seen'
  | 'waited'
  | 'classified'
  | 'installed'
  | 'built'
  | 'sent'
  | 'applied'
  | 'restarted'
  | 'ready'
  | 'served'

/** One edit, from the save to the first answer of the new code. */
export interface Loop {
  /** Counts up within a run, over daemons: `#17`. */
  id: number
  service: string
  /** Relative to the service's folder; at most ten of them. */
  files: string[]
  fileCount: number
  action: LoopAction
  /** Epoch milliseconds of the first save that it answers. */
  savedAt: number
  /** Each begins where the one before ends, the first at the save: together they are the whole. Milliseconds. */
  spans: { name: LoopPhase; ms: number }[]
  /** From the save to the end of the last span, milliseconds. */
  durationMs: number
  outcome: 'served' | 'failed' | 'kept'
  replicas: number
  /** Replicas that could not be reached; they get it when they come back. */
  pending: number
  error?: ErrorShape
  /** What else the user should know: files that could not be applied, a stale image. */
  remarks?: string[]
}

/** Epoch milliseconds with fractions, from the monotonic clock: a step of the wall clock does not bend a loop. */
export function now(): number {
  return performance.timeOrigin + performance.now()
}

/** A file's time of change counts as the save only when it can be one: not after it was seen, not long before. */
const BELIEVABLE_MS = 2_000

/** When a save was, as well as it can be known: the file's own time where it is believable, else when it was seen. */
export function saveTime(seenAt: number, modifiedMs: number | undefined): number {
  if (modifiedMs === undefined || modifiedMs > seenAt || seenAt - modifiedMs > BELIEVABLE_MS) return seenAt
  return modifiedMs
}

/** The first of the times that are known. */
export function earliest(times: (number | undefined)[]): number | undefined {
  const known = times.filter((time) => time !== undefined)
  return known.length > 0 ? Math.min(...known) : undefined
}

/** Notes the phases of one loop. */
export class LoopTrace {
  readonly savedAt: number
  private last: number
  readonly spans: Loop['spans'] = []

  constructor(savedAt: number, seenAt: number) {
    this.savedAt = savedAt
    this.last = savedAt
    this.passed('seen', seenAt)
  }

  /** The phase is over now; what passed since the phase before is its span. */
  passed(name: LoopPhase, at: number = now()): void {
    this.spans.push({ name, ms: Math.max(0, at - this.last) })
    this.last = Math.max(this.last, at)
  }

  /** Does what is the phase; one that fails is over too. */
  async during(name: LoopPhase, work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } finally {
      this.passed(name)
    }
  }

  get durationMs(): number {
    return this.last - this.savedAt
  }
}

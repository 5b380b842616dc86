import type { WatchBatch } from '../../engine/ports.ts'

/** Gathers what one batch will tell: each path once, and whether events were lost. */
export class Batches {
  private paths = new Set<string>()
  private isComplete = true
  private seenAt: number | undefined
  private readonly deliver: (batch: WatchBatch) => void

  constructor(deliver: (batch: WatchBatch) => void) {
    this.deliver = deliver
  }

  /** Notes the time of an event, when it is the first since the last batch. */
  hear(): void {
    this.seenAt ??= performance.timeOrigin + performance.now()
  }

  add(path: string): void {
    this.paths.add(path)
  }

  /** The next batch says that anything may have changed. */
  lose(): void {
    this.hear()
    this.isComplete = false
  }

  /** Delivers what was gathered; does nothing when that is nothing. `isSettled`: no event that was heard still waits to be looked at. */
  flush(isSettled: boolean): void {
    const { paths, isComplete, seenAt } = this
    if (isSettled) this.seenAt = undefined
    if (paths.size === 0 && isComplete) return
    this.paths = new Set()
    this.isComplete = true
    this.deliver({ seenAt: seenAt ?? performance.timeOrigin + performance.now(), paths: [...paths], isComplete })
  }
}

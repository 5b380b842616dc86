import type { Watcher, WatchOptions, Watching } from '../../engine/ports.ts'
import { Batches } from './batches.ts'
import { Pauses } from './pauses.ts'
import { resolveRoot } from './resolve-root.ts'
import { Sweep } from './sweep.ts'
import { Told } from './told.ts'

/** Looks at the whole tree once in a while: for file systems that others write to without this machine's kernel hearing of it. */
export function createPollingWatcher(shortestPauseMs?: number): Watcher {
  return {
    name: 'polling',
    async watch(root, options): Promise<Watching> {
      const polling = new Polling(await resolveRoot(root), options, { shortestPauseMs })
      await polling.begin()
      return polling
    },
  }
}

/** Sweeps, each after a pause. */
export class Polling implements Watching {
  readonly watches = 0
  private isClosed = false
  private readonly sweep: Sweep
  private readonly batches: Batches
  private readonly pauses: Pauses

  constructor(
    root: string,
    options: WatchOptions,
    {
      told = new Told((warning) => options.onDegraded?.(warning)),
      shortestPauseMs,
    }: { told?: Told; shortestPauseMs?: number } = {},
  ) {
    this.pauses = new Pauses(() => this.look(), shortestPauseMs)
    this.sweep = new Sweep(root, options, told)
    this.batches = new Batches((batch) => options.onBatch(batch))
  }

  /** Resolves when what stands there now is known. */
  async begin(): Promise<void> {
    await this.sweep.look()
    if (!this.isClosed) this.pauses.begin()
  }

  async close(): Promise<void> {
    this.isClosed = true
    this.pauses.end()
  }

  private async look(): Promise<void> {
    const changed = await this.sweep.look(() => this.pauses.breathe())
    if (this.isClosed) return
    if (changed.length > 0) this.batches.hear()
    for (const path of changed) this.batches.add(path)
    this.batches.flush(true)
  }
}

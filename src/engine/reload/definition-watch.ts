import type { WatchBatch, Watcher } from '../ports.ts'
import { OneWatch } from './one-watch.ts'
import { SourceTree } from './source-tree.ts'

/** Hears of saves of shiv.yaml and of the workspace's own presets: what no service's folder holds, and yet defines what runs. */
export class DefinitionWatch {
  private readonly tree: SourceTree
  private readonly changed: (paths: string[], seenAt: number) => void
  private readonly watch = new OneWatch()

  constructor(root: string, changed: (paths: string[], seenAt: number) => void) {
    this.tree = new SourceTree(root, isForeign)
    this.changed = changed
  }

  async open(watcher: Watcher): Promise<void> {
    this.tree.scan()
    await this.watch.open(() => watcher.watch(this.tree.root, { isIgnored: isForeign, onBatch: (batch) => this.hear(batch) }))
  }

  close(): Promise<void> {
    return this.watch.close()
  }

  private hear(batch: WatchBatch): void {
    const paths = batch.isComplete ? this.tree.refresh(batch.paths) : this.tree.scan()
    if (paths.length > 0) this.changed(paths, batch.seenAt)
  }
}

function isForeign(path: string): boolean {
  return path !== 'shiv.yaml' && path !== 'presets' && !path.startsWith('presets/')
}

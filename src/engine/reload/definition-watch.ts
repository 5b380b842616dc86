import type { WatchBatch, Watcher, Watching } from '../ports.ts'
import { SourceTree } from './source-tree.ts'

/** Hears of saves of shiv.yaml and of the workspace's own presets: what no service's folder holds, and yet defines what runs. */
export class DefinitionWatch {
  private readonly tree: SourceTree
  private readonly changed: (paths: string[], seenAt: number) => void
  private watching: Watching | undefined

  constructor(root: string, changed: (paths: string[], seenAt: number) => void) {
    this.tree = new SourceTree(root, isForeign)
    this.changed = changed
  }

  async open(watcher: Watcher): Promise<void> {
    this.tree.scan()
    this.watching ??= await watcher.watch(this.tree.root, { isIgnored: isForeign, onBatch: (batch) => this.hear(batch) })
  }

  async close(): Promise<void> {
    await this.watching?.close()
    this.watching = undefined
  }

  private hear(batch: WatchBatch): void {
    const paths = batch.isComplete ? this.tree.refresh(batch.paths) : this.tree.scan()
    if (paths.length > 0) this.changed(paths, batch.seenAt)
  }
}

function isForeign(path: string): boolean {
  return path !== 'shiv.yaml' && path !== 'presets' && !path.startsWith('presets/')
}

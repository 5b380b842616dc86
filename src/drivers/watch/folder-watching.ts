import { basename, join } from 'node:path'
import type { WatchOptions, Watching } from '../../engine/ports.ts'
import { Batches } from './batches.ts'
import { countEvent, onSuspectedOverflow } from './burst.ts'
import { pathIn, type Folder } from './folder.ts'
import { FolderTree } from './folder-tree.ts'
import type { OpenWatch } from './open-watch.ts'
import { lookAt } from './stamp.ts'
import { Told } from './told.ts'
import { overflowWarning } from './warnings.ts'

const SLICE_MS = 8

/**
 * Tells what changes in a tree of folders. Events only mark names; in the turn after the first each marked name is looked at, and what changed is
 * told. In slices, so that a burst neither stops the process nor lets the kernel's queue run over.
 */
export class FolderWatching implements Watching {
  /** Resolves when every folder is watched and listed. */
  readonly ready: Promise<void>
  private isReady = () => {}
  private isListening = false
  private isClosed = false
  private next: NodeJS.Immediate | undefined
  private rescan: 'none' | 'wanted' | 'running' = 'none'
  private readonly marks = new Map<Folder, Map<string, boolean>>()
  private readonly checked = new Set<Folder>()
  private readonly options: WatchOptions
  private readonly batches: Batches
  private readonly tree: FolderTree
  private readonly endOverflow: () => void

  constructor(path: string, options: WatchOptions, settings: { openWatch: OpenWatch; shortestPauseMs?: number }) {
    this.options = options
    this.batches = new Batches((batch) => options.onBatch(batch))
    const told = new Told((warning) => options.onDegraded?.(warning))
    const port = {
      isIgnored: (path: string, isFolder: boolean) => options.isIgnored(path, isFolder),
      news: (path: string) => this.batches.add(path),
      changed: (folder: Folder, name: string, isWrite: boolean) => this.mark(folder, name, isWrite),
      counted: countEvent,
      lost: () => this.suspectOverflow(),
      grew: () => this.schedule(),
      warn: told.once.bind(told),
    }
    this.endOverflow = onSuspectedOverflow(() => this.suspectOverflow())
    this.ready = new Promise((resolve) => (this.isReady = resolve))
    this.tree = new FolderTree(path, port, settings)
    this.tree.plantRoot(false)
  }

  get watches(): number {
    return this.tree.watches
  }

  async close(): Promise<void> {
    this.isClosed = true
    this.endOverflow()
    clearImmediate(this.next)
    this.tree.close()
    this.marks.clear()
    this.isReady()
  }

  private mark(folder: Folder, name: string, isWrite: boolean): void {
    this.batches.hear()
    const names = this.marks.get(folder) ?? new Map<string, boolean>()
    this.marks.set(folder, names.set(name, isWrite && names.get(name) !== false))
    this.schedule()
  }

  private schedule(): void {
    if (!this.isClosed) this.next ??= setImmediate(() => this.work())
  }

  private work(): void {
    this.next = undefined
    this.checked.clear()
    if (this.rescan === 'wanted') this.beginRescan()
    const ends = performance.now() + SLICE_MS
    const isListed = this.tree.listSome(ends)
    if (isListed && this.rescan === 'running') {
      this.rescan = 'none'
      this.batches.lose()
    }
    const isSettled = isListed && this.settleSome(ends) && this.tree.isListed
    if (!this.isListening) {
      // What was heard meanwhile is told in a later turn, when the caller holds the watching.
      if (isListed) this.isReady()
      this.isListening = isListed
      return this.schedule()
    }
    this.batches.flush(isSettled)
    if (!isSettled) this.schedule()
  }

  private settleSome(ends: number): boolean {
    for (const [folder, names] of this.marks) {
      for (const [name, isWrite] of names) {
        names.delete(name)
        if (!folder.isDetached) this.settle(folder, name, isWrite)
        if (performance.now() > ends) return false
      }
      this.marks.delete(folder)
    }
    return true
  }

  /** Finds out what a marked name is now. */
  private settle(folder: Folder, name: string, isWrite: boolean): void {
    const path = pathIn(folder, name)
    const known = folder.folders.get(name)
    // The root's own end is told by its own name.
    if (folder === this.tree.root && name === basename(this.tree.path)) this.check(folder)
    if (folder.isDetached) return
    if (isWrite && folder.files.has(name)) return this.batches.add(path)
    if (isWrite && known?.handle !== undefined) return
    const kind = kindOf(join(this.tree.path, path))
    if (kind !== 'folder' && known !== undefined) this.tree.uproot(known, true)
    if (kind !== 'file' && folder.files.delete(name)) this.batches.add(path)
    if (kind === 'gone' && known === undefined) this.check(folder)
    if (kind === 'gone' || kind === 'other' || this.options.isIgnored(path, kind === 'folder')) return
    if (kind === 'folder') return this.tree.plant(folder, name, true)
    folder.files.add(name)
    this.batches.add(path)
  }

  /** At most once a turn. */
  private check(folder: Folder): void {
    if (this.checked.has(folder)) return
    this.checked.add(folder)
    this.tree.check(folder)
  }

  private suspectOverflow(): void {
    this.rescan = 'wanted'
    this.schedule()
  }

  private beginRescan(): void {
    this.rescan = 'running'
    this.options.onDegraded?.(overflowWarning())
    this.tree.plantRoot(false)
  }
}

function kindOf(path: string): 'file' | 'folder' | 'other' | 'gone' {
  try {
    const stat = lookAt(path)
    if (stat === undefined) return 'gone'
    return stat.isDirectory() ? 'folder' : stat.isFile() || stat.isSymbolicLink() ? 'file' : 'other'
  } catch {
    // Closed to us: told as changed, so that who reads it says why it cannot.
    return 'file'
  }
}

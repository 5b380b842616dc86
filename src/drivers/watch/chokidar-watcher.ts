import { isAbsolute, relative, sep } from 'node:path'
import { watch as watchWithChokidar, type FSWatcher } from 'chokidar'
import type { Watcher, WatchOptions, Watching } from '../../engine/ports.ts'
import { Batches } from './batches.ts'
import { Polling } from './polling-watcher.ts'
import { resolveRoot } from './resolve-root.ts'
import { Sweep } from './sweep.ts'
import { Told } from './told.ts'
import { limitWarning, unreadableWarning } from './warnings.ts'

/** Beyond every pause in which chokidar drops a further event of the same path. */
const SETTLED_MS = 150

/** By chokidar, where a watch on a folder does not tell what is written to the files in it. */
export function createChokidarWatcher(): Watcher {
  return {
    name: 'chokidar',
    async watch(root, options): Promise<Watching> {
      const watching = new ChokidarWatching(await resolveRoot(root), options)
      await watching.begin()
      return watching
    },
  }
}

/**
 * chokidar tells first. It drops a path's second change within 50 ms, its second end within 100 ms, and what is put into a new folder
 * before it watches there; so after its last word the tree is compared once, and what it kept to itself is told then.
 */
class ChokidarWatching implements Watching {
  private readonly root: string
  private readonly options: WatchOptions
  private readonly told: Told
  private readonly batches: Batches
  private readonly sweep: Sweep
  private readonly chokidar: FSWatcher
  private polling: Polling | undefined
  private next: NodeJS.Immediate | undefined
  private settling: NodeJS.Timeout | undefined
  private isHeardSince = false
  private isSweeping = false
  private isReady = false
  private isClosed = false

  constructor(root: string, options: WatchOptions) {
    this.root = root
    this.options = options
    this.told = new Told((warning) => options.onDegraded?.(warning))
    this.batches = new Batches((batch) => options.onBatch(batch))
    this.sweep = new Sweep(root, options, this.told)
    this.chokidar = watchWithChokidar(root, {
      ignored: (path, stats) => this.isIgnored(path, stats?.isDirectory()),
      ignoreInitial: true,
      followSymlinks: false,
      atomic: false,
      usePolling: false,
      alwaysStat: false,
    })
  }

  get watches(): number {
    return Object.values(this.chokidar.getWatched()).reduce((sum, names) => sum + names.length, 0)
  }

  async begin(): Promise<void> {
    await this.sweep.look()
    await new Promise<void>((resolve) => {
      this.chokidar.on('error', (error) => this.failed(error as NodeJS.ErrnoException))
      this.chokidar.on('all', (event, path) => this.heard(path, event === 'addDir' || event === 'unlinkDir'))
      this.chokidar.on('raw', () => this.settle())
      this.chokidar.on('ready', resolve)
    })
    this.isReady = true
    // What changed before chokidar listened.
    this.settle()
  }

  async close(): Promise<void> {
    this.isClosed = true
    clearImmediate(this.next)
    clearTimeout(this.settling)
    await this.polling?.close()
    await this.chokidar.close()
  }

  /** chokidar asks without knowing what it is, too: then nothing is ignored yet. */
  private isIgnored(path: string, isFolder: boolean | undefined): boolean {
    const inside = this.inside(path)
    return isFolder !== undefined && inside !== undefined && this.options.isIgnored(inside, isFolder)
  }

  private inside(path: string): string | undefined {
    const inside = isAbsolute(path) ? relative(this.root, path) : path
    return inside === '' || inside.startsWith('..') ? undefined : inside.replaceAll(sep, '/')
  }

  private heard(path: string, isFolder: boolean): void {
    this.settle()
    const inside = this.inside(path)
    // A name that is no text, and whose bytes are gone by now: the sweep tells of it.
    if (isFolder || inside === undefined || inside.includes('\uFFFD')) return
    this.batches.hear()
    this.batches.add(inside)
    this.sweep.note(inside)
    if (!this.isClosed && this.isReady) this.next ??= setImmediate(() => this.flush())
  }

  private flush(): void {
    this.next = undefined
    this.batches.flush(true)
  }

  /** Each event is followed by a comparison, and a folder that never rests by one every now and then. */
  private settle(): void {
    if (this.isClosed || !this.isReady) return
    if (this.settling !== undefined) {
      this.isHeardSince = true
      return
    }
    this.settling = setTimeout(() => {
      this.settling = undefined
      if (this.isHeardSince) this.settle()
      this.isHeardSince = false
      void this.compare()
    }, SETTLED_MS)
  }

  private async compare(): Promise<void> {
    if (this.isSweeping) return this.settle()
    this.isSweeping = true
    const changed = await this.sweep.look()
    this.isSweeping = false
    if (this.isClosed) return
    for (const path of changed) this.batches.add(path)
    this.batches.flush(true)
  }

  private failed(error: NodeJS.ErrnoException & { path?: string }): void {
    const { code = 'unknown', path = '' } = error
    if (code !== 'ENOSPC' && code !== 'EMFILE') return this.told.once(unreadableWarning(this.inside(path) ?? '', code))
    this.told.once(limitWarning(code, 1))
    if (this.polling !== undefined || this.isClosed) return
    this.polling = new Polling(this.root, this.options, { told: this.told })
    void this.polling.begin()
  }
}

import { join } from 'node:path'
import type { WatchWarning } from '../../engine/ports.ts'
import { awaitRoot, isFolder } from './await-root.ts'
import { newFolder, pathIn, withDescendants, type Folder } from './folder.ts'
import { decodeName, listFolder, showName } from './list-folder.ts'
import type { OpenWatch } from './open-watch.ts'
import { Poller } from './poller.ts'
import { stampOf } from './stamp.ts'
import { limitWarning, nameWarning, unreadableWarning } from './warnings.ts'

/** What a tree tells its owner. */
export interface TreePort {
  isIgnored(path: string, isFolder: boolean): boolean
  /** A file or link came or went with a folder. */
  news(path: string): void
  /** Something of that name came, went or changed; `isWrite`: no more than its content or mode. */
  changed(folder: Folder, name: string, isWrite: boolean): void
  /** The system told of an event. */
  counted(): void
  /** Events of any folder may have been lost. */
  lost(): void
  /** There are folders to be listed. */
  grew(): void
  /** Once for each message. */
  warn(warning: WatchWarning): void
}

/** The folders of one root and their watches. A folder is watched first and listed then, so that nothing is missed between. */
export class FolderTree {
  root: Folder = newFolder(undefined, '')
  /** How many watches it holds. */
  watches = 0
  readonly path: string
  private identity = ''
  private isClosed = false
  private limit: string | undefined
  private endAwaiting = () => {}
  private readonly unlisted: { folder: Folder; isNews: boolean }[] = []
  private readonly poller: Poller
  private readonly port: TreePort
  private readonly openWatch: OpenWatch

  constructor(path: string, port: TreePort, { openWatch, shortestPauseMs }: { openWatch: OpenWatch; shortestPauseMs?: number }) {
    this.path = path
    this.port = port
    this.openWatch = openWatch
    const polling = {
      changed: (folder: Folder, name: string) => port.changed(folder, name, false),
      unreadable: (folder: Folder, name: string) => port.warn(nameWarning(pathIn(folder, name))),
      gone: (folder: Folder) => this.check(folder),
      rewatch: (folder: Folder) => folder.handle !== undefined || this.open(folder) === undefined,
    }
    this.poller = new Poller(path, polling, shortestPauseMs)
  }

  get isListed(): boolean {
    return this.unlisted.length === 0
  }

  close(): void {
    this.isClosed = true
    this.endAwaiting()
    this.poller.close()
    this.uproot(this.root, false)
  }

  /** Watches the root as it is now in the place of what was known of it; without a folder there, waits for one. */
  plantRoot(isNews: boolean): void {
    if (this.isClosed) return
    this.endAwaiting()
    const old = this.root
    this.root = newFolder(undefined, '')
    this.identity = identify(this.path)
    const isThere = isFolder(this.path) && this.set(this.root, isNews)
    this.uproot(old, isNews)
    if (!isThere) {
      this.root.isDetached = true
      this.endAwaiting = awaitRoot(this.path, () => this.plantRoot(true))
    }
    this.port.grew()
  }

  /** Watches a folder that came, in the place of one of that name. */
  plant(parent: Folder, name: string, isNews: boolean): void {
    const old = parent.folders.get(name)
    const folder = newFolder(parent, name)
    // Before the old one is let go of: the two may be one and the same, and no event between may be lost.
    const isThere = this.set(folder, isNews)
    if (old !== undefined) this.uproot(old, isNews)
    if (isThere) parent.folders.set(name, folder)
  }

  /** Lets go of a folder and all below it. */
  uproot(folder: Folder, isNews: boolean): void {
    for (const one of withDescendants(folder)) {
      one.isDetached = true
      if (one.handle !== undefined) this.watches -= 1
      one.handle?.close()
      this.poller.delete(one)
      if (isNews) for (const name of one.files) this.port.news(pathIn(one, name))
    }
    if (folder.parent?.folders.get(folder.name) === folder) folder.parent.folders.delete(folder.name)
  }

  /** A folder may be gone or another one without a word about it: when it was moved with the one above it, or nothing above it is watched. */
  check(folder: Folder): void {
    if (folder.isDetached) return
    const isThere = isFolder(join(this.path, folder.path))
    if (folder.parent !== undefined) {
      if (!isThere) this.port.changed(folder.parent, folder.name, false)
    } else if (!isThere || identify(this.path) !== this.identity) this.plantRoot(true)
  }

  /** Lists folders that came, until `ends`; whether all are listed. */
  listSome(ends: number): boolean {
    for (let waiting = this.unlisted.pop(); waiting !== undefined; waiting = this.unlisted.pop()) {
      if (!waiting.folder.isDetached) this.list(waiting.folder, waiting.isNews)
      if (performance.now() > ends) break
    }
    if (this.isListed && this.limit !== undefined) {
      this.port.warn(limitWarning(this.limit, this.poller.size))
      this.limit = undefined
    }
    return this.isListed
  }

  private set(folder: Folder, isNews: boolean): boolean {
    const code = this.open(folder)
    if (code === 'ENOENT' || code === 'ENOTDIR') return false
    if (code === 'ENOSPC' || code === 'EMFILE') {
      this.limit = code
      this.poller.add(folder)
    } else if (code !== undefined) this.port.warn(unreadableWarning(folder.path, code))
    this.unlisted.push({ folder, isNews })
    return true
  }

  /** The code of what the system said against it. */
  private open(folder: Folder): string | undefined {
    try {
      folder.handle = this.openWatch(join(this.path, folder.path), (type, name) => this.heard(folder, type, name))
      folder.handle.on('error', () => this.lookAgain(folder))
      this.watches += 1
      return undefined
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code === undefined) throw error
      return code
    }
  }

  private heard(folder: Folder, type: string, bytes: Buffer | null): void {
    this.port.counted()
    if (folder.isDetached) return
    if (bytes === null) return this.lookAgain(folder)
    const name = decodeName(bytes)
    if (name === undefined) this.port.warn(nameWarning(pathIn(folder, showName(bytes))))
    else this.port.changed(folder, name, type === 'change')
  }

  private lookAgain(folder: Folder): void {
    if (folder.parent === undefined) this.port.lost()
    else this.port.changed(folder.parent, folder.name, false)
  }

  private list(folder: Folder, isNews: boolean): void {
    try {
      const { files, folders, unreadable } = listFolder(join(this.path, folder.path))
      for (const name of unreadable) this.port.warn(nameWarning(pathIn(folder, name)))
      for (const name of files) {
        const path = pathIn(folder, name)
        if (this.port.isIgnored(path, false)) continue
        folder.files.add(name)
        if (isNews) this.port.news(path)
      }
      for (const name of folders) if (!this.port.isIgnored(pathIn(folder, name), true)) this.plant(folder, name, isNews)
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code === undefined) throw error
      if (code === 'ENOENT' || code === 'ENOTDIR') this.check(folder)
      else this.port.warn(unreadableWarning(folder.path, code))
    }
  }
}

function identify(path: string): string {
  try {
    return stampOf(path) ?? ''
  } catch {
    // It cannot be reached: the same as gone.
    return ''
  }
}

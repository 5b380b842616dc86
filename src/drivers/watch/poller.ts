import { join } from 'node:path'
import type { Folder } from './folder.ts'
import { listFolder } from './list-folder.ts'
import { Pauses } from './pauses.ts'
import { stampOf } from './stamp.ts'

/** What a poller does with what it finds. */
export interface PollerPort {
  /** Something of that name came, went or may have changed. */
  changed(folder: Folder, name: string): void
  /** Its name is no UTF-8. */
  unreadable(folder: Folder, name: string): void
  /** The folder cannot be listed any more. */
  gone(folder: Folder): void
  /** Tries to give a folder its watch after all; then it is polled once more and let go. */
  rewatch(folder: Folder): boolean
}

/** Looks once in a while at folders that could not be given a watch, and tells what differs as an event would. */
export class Poller {
  private readonly stamps = new Map<Folder, Map<string, string>>()
  private readonly root: string
  private readonly port: PollerPort
  private readonly pauses: Pauses

  constructor(root: string, port: PollerPort, shortestPauseMs?: number) {
    this.root = root
    this.port = port
    this.pauses = new Pauses(() => this.pass(), shortestPauseMs)
  }

  get size(): number {
    return this.stamps.size
  }

  /** From now on: what it holds at this moment is what the first look compares with. */
  add(folder: Folder): void {
    this.stamps.set(folder, this.takeStamps(folder) ?? new Map())
    this.pauses.begin()
  }

  delete(folder: Folder): void {
    this.stamps.delete(folder)
    if (this.stamps.size === 0) this.pauses.end()
  }

  close(): void {
    this.stamps.clear()
    this.pauses.end()
  }

  private async pass(): Promise<void> {
    let canWatch = true
    for (const folder of this.stamps.keys()) {
      canWatch &&= this.port.rewatch(folder)
      this.compare(folder)
      if (canWatch) this.delete(folder)
      await this.pauses.breathe()
    }
  }

  private compare(folder: Folder): void {
    const before = this.stamps.get(folder) ?? new Map<string, string>()
    const now = this.takeStamps(folder)
    if (now === undefined) return this.port.gone(folder)
    this.stamps.set(folder, now)
    for (const [name, stamp] of now) if (before.get(name) !== stamp) this.port.changed(folder, name)
    for (const name of before.keys()) if (!now.has(name)) this.port.changed(folder, name)
  }

  /** What stands in a folder, each with a text that changes whenever it may have changed; undefined when the folder cannot be read. */
  private takeStamps(folder: Folder): Map<string, string> | undefined {
    const path = join(this.root, folder.path)
    try {
      const { files, folders, unreadable } = listFolder(path)
      for (const name of unreadable) this.port.unreadable(folder, name)
      return new Map([...files, ...folders].map((name) => [name, stampOf(join(path, name)) ?? 'gone']))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === undefined) throw error
      return undefined
    }
  }
}

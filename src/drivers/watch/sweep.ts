import { join } from 'node:path'
import type { WatchOptions } from '../../engine/ports.ts'
import { isFolder } from './await-root.ts'
import { listFolder } from './list-folder.ts'
import { slices } from './pauses.ts'
import { stampOf } from './stamp.ts'
import type { Told } from './told.ts'
import { nameWarning, unreadableWarning } from './warnings.ts'

/** Compares a whole tree with what it was at the last look. */
export class Sweep {
  private stamps = new Map<string, string>()
  private readonly root: string
  private readonly options: WatchOptions
  private readonly told: Told

  constructor(root: string, options: WatchOptions, told: Told) {
    this.root = root
    this.options = options
    this.told = told
  }

  /** Paths of files and links that came, went or may have changed since the last look; `breathe` between folders. */
  async look(breathe: () => Promise<void> = slices()): Promise<string[]> {
    const before = this.stamps
    const now = new Map<string, string>()
    const folders = isFolder(this.root) ? [''] : []
    for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
      this.visit(folder, folders, now)
      await breathe()
    }
    this.stamps = now
    const changed = [...now].filter(([path, stamp]) => before.get(path) !== stamp).map(([path]) => path)
    return [...changed, ...[...before.keys()].filter((path) => !now.has(path))]
  }

  /** What stands there now is told by other means. */
  note(path: string): void {
    const stamp = stampOf(join(this.root, path))
    if (stamp === undefined) this.stamps.delete(path)
    else this.stamps.set(path, stamp)
  }

  private visit(folder: string, folders: string[], stamps: Map<string, string>): void {
    const within = (name: string) => (folder === '' ? name : `${folder}/${name}`)
    try {
      const listing = listFolder(join(this.root, folder))
      for (const name of listing.unreadable) this.told.once(nameWarning(within(name)))
      for (const path of listing.folders.map(within)) if (!this.options.isIgnored(path, true)) folders.push(path)
      for (const path of listing.files.map(within)) {
        const stamp = this.options.isIgnored(path, false) ? undefined : stampOf(join(this.root, path))
        if (stamp !== undefined) stamps.set(path, stamp)
      }
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code === undefined) throw error
      if (code !== 'ENOENT' && code !== 'ENOTDIR') this.told.once(unreadableWarning(folder, code))
    }
  }
}

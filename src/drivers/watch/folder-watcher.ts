import type { Watcher, Watching } from '../../engine/ports.ts'
import { FolderWatching } from './folder-watching.ts'
import { openFolder, type OpenWatch } from './open-watch.ts'
import { resolveRoot } from './resolve-root.ts'

export interface FolderWatcherSettings {
  openWatch?: OpenWatch
  /** Between two looks at folders that have no watch. */
  shortestPauseMs?: number
}

/** One watch a folder: what Linux does best. */
export function createFolderWatcher(settings: FolderWatcherSettings = {}): Watcher {
  return {
    name: 'folders',
    async watch(root, options): Promise<Watching> {
      const watching = new FolderWatching(await resolveRoot(root), options, { openWatch: openFolder, ...settings })
      await watching.ready
      return watching
    },
  }
}

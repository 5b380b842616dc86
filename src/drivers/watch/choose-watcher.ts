import type { Watcher } from '../../engine/ports.ts'
import { createChokidarWatcher } from './chokidar-watcher.ts'
import { createFolderWatcher } from './folder-watcher.ts'
import { createPollingWatcher } from './polling-watcher.ts'
import { tellsOfFiles } from './probe.ts'
import { findRemote } from './remote.ts'
import { resolveRoot } from './resolve-root.ts'

let probed: Promise<boolean> | undefined

/**
 * The watcher that serves a folder best: polling where others write to its file system unheard, one watch a folder where such a watch tells
 * of the files in it (tried once), else chokidar. Throws WATCH_ROOT_MISSING.
 */
export async function chooseWatcher(root: string, probe: () => Promise<boolean> = tellsOfFiles): Promise<Watcher> {
  if ((await findRemote(await resolveRoot(root))) !== undefined) return createPollingWatcher()
  probed ??= probe()
  return (await probed) ? createFolderWatcher() : createChokidarWatcher()
}

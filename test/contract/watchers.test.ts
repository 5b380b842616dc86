import { createChokidarWatcher } from '../../src/drivers/watch/chokidar-watcher.ts'
import { createFolderWatcher } from '../../src/drivers/watch/folder-watcher.ts'
import { createPollingWatcher } from '../../src/drivers/watch/polling-watcher.ts'
import { watcherContract } from './watcher.ts'

watcherContract('one watch a folder', () => createFolderWatcher())
watcherContract('chokidar', createChokidarWatcher)
watcherContract('polling', () => createPollingWatcher(20))
watcherContract('one watch a folder, none to be had', () => createFolderWatcher({ openWatch: refuse, shortestPauseMs: 20 }))

function refuse(): never {
  throw Object.assign(new Error('no space left'), { code: 'ENOSPC' })
}

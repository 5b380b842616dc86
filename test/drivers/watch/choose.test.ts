import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeEach, expect, test, vi } from 'vitest'
import type { OpenWatch } from '../../../src/drivers/watch/open-watch.ts'
import { openFolder } from '../../../src/drivers/watch/open-watch.ts'
import { tellsOfFiles } from '../../../src/drivers/watch/probe.ts'
import { until } from '../../contract/watcher.ts'

const root = mkdtempSync(join(tmpdir(), 'shiv-choose-'))
afterAll(() => rmSync(root, { recursive: true }))
beforeEach(() => vi.resetModules())

/** As a new process would. */
const choose = async (probe: () => Promise<boolean>) =>
  (await import('../../../src/drivers/watch/choose-watcher.ts')).chooseWatcher(root, probe)

test('one watch a folder where it tells of the files in it, else chokidar; tried once', async () => {
  const probe = vi.fn(async () => true)
  expect((await choose(probe)).name).toBe('folders')
  expect((await choose(probe)).name).toBe('folders')
  expect(probe).toHaveBeenCalledOnce()
  vi.resetModules()
  expect((await choose(async () => false)).name).toBe('chokidar')
})

test('polling where others write to the file system unheard', async () => {
  vi.doMock('../../../src/drivers/watch/remote.ts', () => ({ findRemote: async () => 'NFS' }))
  expect((await choose(async () => true)).name).toBe('polling')
  vi.doUnmock('../../../src/drivers/watch/remote.ts')
})

test('says when there is no such folder', async () => {
  const { chooseWatcher } = await import('../../../src/drivers/watch/choose-watcher.ts')
  await expect(chooseWatcher(join(root, 'nowhere'))).rejects.toMatchObject({ code: 'WATCH_ROOT_MISSING' })
})

test.runIf(process.platform === 'linux')('the probe hears what this system tells, and leaves nothing', async () => {
  const watches = () => process.getActiveResourcesInfo().filter((kind) => kind === 'FSEventWrap').length
  const before = watches()
  expect(await tellsOfFiles()).toBe(true)
  await until(() => expect(watches()).toBe(before))
})

test('the probe is not content with news of what comes and goes alone', async () => {
  const deafToWrites: OpenWatch = (path, heard) =>
    openFolder(path, (type, name) => name?.toString() !== 'old' && heard(type, name))
  expect(await tellsOfFiles(deafToWrites)).toBe(false)
})

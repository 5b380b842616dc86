import { createFakeDependencies } from '../../support/fake-dependencies.ts'
import { mkdtempSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createLog } from '../../../src/core/log.ts'
import { createRedactor } from '../../../src/core/redact.ts'
import { runHostCommand } from '../../../src/drivers/process/host-command.ts'
import { createProcessRuntime } from '../../../src/drivers/process/runtime.ts'
import { createFrontDoor } from '../../../src/drivers/proxy/front-door.ts'
import { chooseWatcher } from '../../../src/drivers/watch/choose-watcher.ts'
import { openEngine, type Engine } from '../../../src/engine/engine.ts'
import type { Ask } from '../../../src/engine/parts.ts'
import { planner } from '../../../src/engine/planner.ts'
import type { FrontDoor } from '../../../src/engine/ports.ts'
import type { Loop } from '../../../src/engine/reload/loop.ts'
import { createWorkspace, type TestWorkspace } from '../../support/workspace.ts'

/** Answers with its version and with what another file of it says. */
const at = (version: string) => `
import { createServer } from 'node:http'
import { readFileSync } from 'node:fs'
const other = readFileSync(new URL('other.txt', import.meta.url), 'utf8')
createServer((request, response) => {
  response.setHeader('connection', 'close')
  response.end(${JSON.stringify(version)} + ' ' + other)
}).listen(Number(process.env.PORT))
`
const SERVICE =
  'name: api\nlanguage: node\nport: 3000\nhealth: /\ncommand: [node, server.mjs]\nscaling: { min_replicas: 1, max_replicas: 1 }\n'

let home: string
let shop: TestWorkspace
let engine: Engine
let door: FrontDoor

/** The engine with real parts; what it runs are processes of this machine. */
beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'shiv-weather-'))
  shop = createWorkspace({
    'shiv.yaml': 'name: shop\nservices: [inner/api]\n',
    'inner/shiv.yaml': 'name: inner\nservices: [api]\n',
    'inner/api/service.yaml': SERVICE,
    'inner/api/package.json': '{ "name": "api", "private": true }',
    'inner/api/server.mjs': at('first'),
    'inner/api/other.txt': 'one',
  })
  door = await createFrontDoor({ home })
  const runtime = createProcessRuntime({ home })
  engine = openEngine({
    home,
    redactor: createRedactor(),
    log: createLog(() => {}),
    runtime: async () => runtime,
    frontDoor: async () => door,
    planner: async () => planner,
    watcher: chooseWatcher,
    command: async () => runHostCommand,
    dependencies: async () => createFakeDependencies(),
    deployment: () => Promise.reject(new Error('nothing is deployed here')),
    buildContainers: async () => {
      throw new Error('nothing is built here')
    },
  })
})
afterEach(async () => {
  vi.useRealTimers()
  for (const path of workspaces) await engine.stop({ path, services: [], purge: true }, ask())
  workspaces.clear()
  await engine.close({ keepRuns: false })
  await door.close()
  rmSync(home, { recursive: true, force: true })
  shop.remove()
}, 60_000)

const workspaces = new Set<string>()
const ask = (): Ask => ({ by: { command: 'test', pid: process.pid }, signal: new AbortController().signal, emit: async () => {} })
const start = async (path = shop.root): Promise<string> => {
  workspaces.add(path)
  const result = await engine.start({ path, services: [], env: 'local', environment: process.env, runtime: 'process' }, ask())
  return result.run.services[0]!.directUrl!
}
/** Aside and renamed, so that no process reads half of it. */
const save = (text: string, file = 'server.mjs') => {
  const path = join(shop.root, 'inner/api', file)
  writeFileSync(`${path}~`, text)
  renameSync(`${path}~`, path)
}
const answer = async (url: string) => (await fetch(url)).text()
const loops = async (path = shop.root): Promise<Loop[]> => (await engine.loops({ path, services: [] }, ask())).loops
const isCurrent = async (path = shop.root) => {
  const [run] = await engine.status({ path, services: [], all: false })
  return run!.services[0]!.reload!.isCurrent
}
const isVerified = async (path = shop.root) => (await engine.verify({ path, services: [] }, ask())).isSame
const patiently = { timeout: 30_000, interval: 50 }

test('of 1,000 saves in ten seconds the last one wins, and loops are few', async () => {
  const url = await start()
  for (let index = 1; index <= 1_000; index += 1) {
    if (index % 2 === 0) save(at(`version ${index}`))
    else save(`text ${index}`, 'other.txt')
    await sleep(8)
  }
  await expect.poll(() => answer(url), patiently).toBe('version 1000 text 999')
  await expect.poll(isCurrent, patiently).toBe(true)
  expect(await isVerified()).toBe(true)
  const told = await loops()
  expect(told.length).toBeGreaterThan(0)
  expect(told.length).toBeLessThan(300)
  expect(told.filter(({ outcome }) => outcome === 'failed')).toEqual([])
}, 120_000)

test('an edit of a folder that two workspaces share is brought to both', async () => {
  const inner = join(shop.root, 'inner')
  const urls = [await start(), await start(inner)]
  expect(new Set(urls).size).toBe(2)
  save(at('shared'))
  for (const url of urls) await expect.poll(() => answer(url), patiently).toBe('shared one')
  for (const path of [shop.root, inner]) {
    await expect.poll(() => isCurrent(path), patiently).toBe(true)
    expect(await isVerified(path)).toBe(true)
    const edits = (await loops(path)).filter(({ files }) => files.includes('server.mjs'))
    expect(edits.map(({ service, outcome }) => [service, outcome])).toEqual([['api', 'served']])
  }
}, 120_000)

test.each([
  ['back by a day', -86_400_000],
  ['on by a day', 86_400_000],
])(
  'a clock that is set %s bends no loop, and the next saves are brought',
  async (_name, stepMs) => {
    const url = await start()
    save(at('before'))
    await expect.poll(() => answer(url), patiently).toBe('before one')
    await expect.poll(isCurrent, patiently).toBe(true)
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + stepMs })
    for (const [version, mtime] of [
      ['after', Date.now() / 1_000],
      ['older than the one before', 1_000],
      ['of the future', Date.now() / 1_000 + 1_000_000],
    ] as const) {
      save(at(version))
      utimesSync(join(shop.root, 'inner/api/server.mjs'), mtime, mtime)
      await expect.poll(() => answer(url), patiently).toBe(`${version} one`)
      await expect.poll(isCurrent, patiently).toBe(true)
    }
    expect(await isVerified()).toBe(true)
    const told = await loops()
    expect(told.length).toBeGreaterThanOrEqual(4)
    for (const { spans, durationMs, outcome } of told) {
      expect(outcome).toBe('served')
      expect(spans.filter(({ ms }) => ms < 0 || ms > 60_000)).toEqual([])
      expect(spans.reduce((sum, { ms }) => sum + ms, 0)).toBeCloseTo(durationMs, 3)
    }
  },
  120_000,
)

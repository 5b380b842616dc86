import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { socketPath } from '../../src/core/paths.ts'
import { isAlive } from '../../src/core/process-identity.ts'
import { connect } from '../../src/wire/client.ts'
import type { HelloResult, StatusResult } from '../../src/wire/messages.ts'
import { buildDaemon, createTestHome, until, type TestHome } from '../support/daemon.ts'

let built: Awaited<ReturnType<typeof buildDaemon>>
let home: TestHome

beforeAll(async () => {
  built = await buildDaemon('lifecycle')
})
afterAll(() => built.remove())
beforeEach(() => {
  home = createTestHome(built.entry)
})
afterEach(() => home.remove())

const hello = () => home.call<HelloResult>({ method: 'hello' })
const status = (options = {}) =>
  home.call<StatusResult>({ method: 'status', params: { path: '/', services: [], all: true } }, options)

test('the first call starts the daemon, the second finds it', async () => {
  const first = await hello()
  const second = await hello()
  expect(first.daemon.pid).toBe(home.holder()?.pid)
  expect(second.daemon.pid).toBe(first.daemon.pid)
  expect((await status()).runs).toEqual([])
})

test('many callers at once start one daemon', async () => {
  const answers = await Promise.all(Array.from({ length: 5 }, hello))
  expect(new Set(answers.map((answer) => answer.daemon.pid)).size).toBe(1)
})

test('after kill -9 the next call is served by a new daemon, in spite of the stale lock and socket', async () => {
  const first = await hello()
  const identity = home.holder()!
  process.kill(first.daemon.pid, 'SIGKILL')
  await until(() => !isAlive(identity))
  expect(existsSync(socketPath(home.home))).toBe(true)
  const answers = await Promise.all([hello(), hello(), hello()])
  expect(new Set(answers.map((answer) => answer.daemon.pid)).size).toBe(1)
  expect(answers[0]!.daemon.pid).not.toBe(first.daemon.pid)
})

test('a lock whose pid now belongs to another process is stale', async () => {
  mkdirSync(home.home, { recursive: true })
  writeFileSync(join(home.home, 'daemon.lock'), JSON.stringify({ pid: process.pid, startTime: 'long ago' }))
  expect((await hello()).daemon.pid).toBe(home.holder()?.pid)
})

test('a lock that cannot be read is stale', async () => {
  writeFileSync(join(home.home, 'daemon.lock'), '{"pid":')
  expect((await hello()).daemon.pid).toBe(home.holder()?.pid)
})

test('home, socket, lock and log are for this user only', async () => {
  await hello()
  const mode = (path: string) => statSync(path).mode & 0o777
  expect(mode(home.home)).toBe(0o700)
  for (const file of ['daemon.sock', 'daemon.lock', 'daemon.log']) expect(mode(join(home.home, file)), file).toBe(0o600)
})

test('a home too deep for a socket path gets its socket in a private folder of the temp folder', async () => {
  const deep = join(mkdtempSync(join(tmpdir(), 'shiv-deep-')), 'x'.repeat(120))
  const other = createTestHome(built.entry, deep)
  try {
    const answer = await other.call<HelloResult>({ method: 'hello' })
    const folder = dirname(socketPath(deep))
    expect(answer.daemon.pid).toBe(other.holder()?.pid)
    expect(folder.startsWith(deep)).toBe(false)
    expect(statSync(folder).mode & 0o777).toBe(0o700)
    await other.remove()
    expect(existsSync(folder)).toBe(false)
  } finally {
    rmSync(dirname(deep), { recursive: true, force: true })
  }
})

test('shutdown leaves neither socket nor lock', async () => {
  await hello()
  const identity = home.holder()!
  await home.call({ method: 'shutdown' })
  await until(() => !isAlive(identity))
  expect(existsSync(join(home.home, 'daemon.sock'))).toBe(false)
  expect(existsSync(join(home.home, 'daemon.lock'))).toBe(false)
})

test('a daemon whose program was written anew is replaced by the next call', async () => {
  const entry = join(dirname(built.entry), 'copy.js')
  copyFileSync(built.entry, entry)
  const before = await home.call<HelloResult>({ method: 'hello' }, { entry })
  utimesSync(entry, new Date(), new Date(Date.now() + 5_000))
  const after = await status({ entry })
  expect(after.daemon.pid).not.toBe(before.daemon.pid)
  expect(after.daemon.pid).toBe(home.holder()?.pid)
})

test('a program that ends at once is reported with the end of its log', async () => {
  const entry = join(dirname(built.entry), 'broken.js')
  writeFileSync(entry, 'throw new Error("no such luck")')
  await expect(home.call({ method: 'hello' }, { entry })).rejects.toMatchObject({
    code: 'DAEMON_START_FAILED',
    exit: 3,
    evidence: expect.arrayContaining([expect.stringContaining('no such luck')]),
  })
})

test('the daemon keeps no secret of the environment of who started it', async () => {
  process.env['STRIPE_KEY_OF_TEST'] = 'sk-test-value'
  try {
    const { daemon } = await hello()
    if (process.platform !== 'linux') return
    const { readFileSync } = await import('node:fs')
    const environment = readFileSync(`/proc/${daemon.pid}/environ`, 'utf8')
    expect(environment).toContain('PATH=')
    expect(environment).not.toContain('sk-test-value')
  } finally {
    delete process.env['STRIPE_KEY_OF_TEST']
  }
})

test('what is not a request is refused, and the daemon lives on', async () => {
  const { daemon } = await hello()
  const connection = (await connect(socketPath(home.home)))!
  await expect(connection.call({ method: 'stop', params: { path: 3 } } as never)).rejects.toMatchObject({ code: 'DAEMON_GONE' })
  expect((await hello()).daemon.pid).toBe(daemon.pid)
})

import { spawn } from 'node:child_process'
import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { identifyProcess, isAlive, type ProcessIdentity } from '../../src/core/process-identity.ts'
import type { DoctorResult, StartParams, StartResult, StatusResult, StopResult, WireEvent } from '../../src/wire/messages.ts'
import { buildDaemon, createTestHome, until, type TestHome } from '../support/daemon.ts'
import { createWorkspace, type TestWorkspace } from '../support/workspace.ts'

/** A service without packages, so that it starts at once: what counts here is the daemon. */
const SERVER = `
const http = require('node:http')
http.createServer((request, response) => response.end('hello from ' + process.pid)).listen(process.env.PORT, '127.0.0.1')
`

let built: Awaited<ReturnType<typeof buildDaemon>>
let home: TestHome
let shop: TestWorkspace

beforeAll(async () => {
  built = await buildDaemon('runs')
})
afterAll(() => built.remove())
beforeEach(() => {
  home = createTestHome(built.entry)
  shop = createWorkspace({
    'service.yaml': `name: hello-${process.pid}\nlanguage: container\ncommand: [node, server.cjs]\nbuild: { image: example.com/hello:1 }\nport: 3000\nhealth: /\n`,
    'server.cjs': SERVER,
  })
})
afterEach(async () => {
  if (home.holder()) await stop()
  await home.remove()
  shop.remove()
})

const params = (): StartParams => ({ path: shop.root, services: [], env: 'local', runtime: 'process', environment: process.env })
const start = (options = {}) => home.call<StartResult>({ method: 'start', params: params() }, options)
const stop = () => home.call<StopResult>({ method: 'stop', params: { path: shop.root, services: [], purge: true } })
const status = async () =>
  (await home.call<StatusResult>({ method: 'status', params: { path: shop.root, services: [], all: false } })).runs[0]!
const text = async (url: string) => (await fetch(url)).text()

async function killDaemon(): Promise<void> {
  const identity = home.holder()!
  process.kill(identity.pid, 'SIGKILL')
  await until(() => !isAlive(identity))
}

function processesOf(run: StatusResult['runs'][number]): ProcessIdentity[] {
  const pids = run.services.flatMap((service) => service.replicas.map((replica) => replica.pid!))
  return pids.map((pid) => identifyProcess(pid)!)
}

test('a started service answers through the front door', async () => {
  const { run } = await start()
  expect(run).toMatchObject({ state: 'running', runtime: 'process' })
  expect(await text(run.services[0]!.directUrl!)).toMatch(/^hello from \d+$/)
})

test('after kill -9 of the daemon the run is found, not started twice, and served at the same address', async () => {
  const { run } = await start()
  const before = processesOf(run)
  await killDaemon()
  expect(before.every(isAlive)).toBe(true)
  const found = await status()
  expect(found).toMatchObject({ id: run.id, state: 'running' })
  expect(processesOf(found)).toEqual(before)
  expect(found.services[0]!.directUrl).toBe(run.services[0]!.directUrl)
  expect(await text(found.services[0]!.directUrl!)).toMatch(/^hello from/)
  await start()
  expect(processesOf(await status())).toEqual(before)
})

test('a daemon that is asked to end leaves what runs running', async () => {
  const { run } = await start()
  const before = processesOf(run)
  await home.call({ method: 'shutdown' })
  await until(() => home.holder() === undefined)
  expect(before.every(isAlive)).toBe(true)
  expect(processesOf(await status())).toEqual(before)
})

test('stop leaves no process and no port', async () => {
  const { run } = await start()
  const before = processesOf(run)
  await stop()
  expect(before.filter(isAlive)).toEqual([])
  await expect(fetch(run.services[0]!.directUrl!)).rejects.toThrow()
  expect(readdirSync(join(home.home, 'runs'))).toEqual([])
})

test('Ctrl-C in the middle of a start ends it cleanly, and the next start completes it', async () => {
  shop.write('server.cjs', `setTimeout(() => { ${SERVER} }, 2_000)`)
  const leaving = new AbortController()
  const first = start({ signal: leaving.signal, onEvent: (event: WireEvent) => event.kind === 'health' && leaving.abort() })
  await expect(first).rejects.toMatchObject({ code: 'INTERRUPTED', exit: 130 })
  const { run } = await start()
  expect(run.state).toBe('running')
  expect(await text(run.services[0]!.directUrl!)).toMatch(/^hello from/)
})

test('a caller that is killed in the middle of a start does not hold up the next one', async () => {
  shop.write('server.cjs', `setTimeout(() => { ${SERVER} }, 1_000)`)
  await status().catch(() => {}) // the daemon is there
  const script = `
    const { createConnection } = require('node:net')
    const socket = createConnection(process.argv[1], () => socket.write(process.argv[2] + '\\n'))
    socket.once('data', () => process.kill(process.pid, 'SIGKILL'))`
  const line = {
    v: 1,
    id: '1',
    request: { method: 'start', params: params() },
    client: { pid: 1, command: 'shiv start', tty: false },
  }
  const victim = spawn(process.execPath, ['-e', script, join(home.home, 'daemon.sock'), JSON.stringify(line)], {
    stdio: 'ignore',
  })
  await new Promise((resolve) => victim.once('exit', resolve))
  expect((await start()).run.state).toBe('running')
})

test('kill -9 of the daemon in the middle of a start: the next start completes it', async () => {
  shop.write('server.cjs', `setTimeout(() => { ${SERVER} }, 2_000)`)
  let isUnderWay = false
  const first = home.call({ method: 'start', params: params() }, { onEvent: (event) => (isUnderWay ||= event.kind === 'health') })
  first.catch(() => {}) // the daemon dies under it; the client asks the next one
  await until(() => isUnderWay)
  await killDaemon()
  expect((await start()).run.state).toBe('running')
  await first
  expect((await status()).services[0]!.replicas.length).toBeGreaterThan(0)
}, 90_000)

test('two callers start one run, and the later one hears who works', async () => {
  const events: WireEvent[] = []
  const onEvent = (event: WireEvent): unknown => events.push(event)
  const [first, second] = await Promise.all([
    start({ command: 'shiv start', onEvent }),
    start({ command: 'shiv start', onEvent }),
  ])
  const behind = { command: 'shiv start', pid: process.pid }
  expect(events.filter((event) => event.kind === 'waiting')).toEqual([{ kind: 'waiting', behind }])
  expect(processesOf(second.run)).toEqual(processesOf(first.run))
})

test('a faulty service.yaml is answered with its place', async () => {
  shop.write('service.yaml', 'name: hello\nlanguag: node\n')
  await expect(start()).rejects.toMatchObject({
    code: 'SPEC_INVALID',
    exit: 2,
    faults: expect.arrayContaining([expect.objectContaining({ line: 2 })]),
  })
})

test('an idle daemon ends by itself once nothing is kept', async () => {
  process.env['SHIV_IDLE_EXIT_MS'] = '300'
  try {
    await start()
    await new Promise((resolve) => setTimeout(resolve, 600))
    expect(home.holder()).toBeDefined()
    await stop()
    await until(() => home.holder() === undefined)
  } finally {
    delete process.env['SHIV_IDLE_EXIT_MS']
  }
})

test('a daemon that nobody can reach any more ends', async () => {
  process.env['SHIV_REACH_CHECK_MS'] = '200'
  try {
    await start()
    const daemon = home.holder()!
    rmSync(join(home.home, 'daemon.sock'))
    await until(() => !isAlive(daemon))
  } finally {
    delete process.env['SHIV_REACH_CHECK_MS']
  }
})

test('doctor names every check once and sees this Node', async () => {
  const { checks } = await home.call<DoctorResult>({ method: 'doctor', params: { fix: false, environment: process.env } })
  expect(new Set(checks.map((check) => check.id)).size).toBe(checks.length)
  expect(checks.find((check) => check.id === 'node')).toMatchObject({ state: 'ok', detail: process.version })
  const without = await home.call<DoctorResult>({ method: 'doctor', params: { fix: false, environment: { PATH: '/nowhere' } } })
  expect(without.checks.find((check) => check.id === 'kind')).toMatchObject({
    state: 'failed',
    hint: expect.stringContaining('https://'),
  })
})

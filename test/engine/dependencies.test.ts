import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ShivError } from '../../src/core/errors.ts'
import { runIdOf } from '../../src/core/ids.ts'
import { createLog } from '../../src/core/log.ts'
import { createRedactor } from '../../src/core/redact.ts'
import { createFrontDoor } from '../../src/drivers/proxy/front-door.ts'
import { openEngine, type Engine } from '../../src/engine/engine.ts'
import type { Ask, Planner } from '../../src/engine/parts.ts'
import { planner } from '../../src/engine/planner.ts'
import type { FrontDoor } from '../../src/engine/ports.ts'
import type { DependencyStatus, EngineEvent, StartResult } from '../../src/engine/results.ts'
import type { RemoteEnvironment, RemotePlan } from '../../src/plan/remote.ts'
import { createFakeDependencies, type FakeDependencies } from '../support/fake-dependencies.ts'
import { createFakeRuntime, type FakeRuntime } from '../support/fake-runtime.ts'
import { createWorkspace, type TestWorkspace } from '../support/workspace.ts'

let home: string
let shop: TestWorkspace
let engine: Engine
let driver: FakeDependencies
let runtime: FakeRuntime
let door: FrontDoor
let remotes: RemotePlan[]
let environments: RemoteEnvironment[]

const staging: RemoteEnvironment = { name: 'staging', context: 'staging', isProduction: false }
const production: RemoteEnvironment = { name: 'production', context: 'live', isProduction: true }

function remote(name: string, more: Partial<RemotePlan> = {}): RemotePlan {
  return {
    name,
    users: ['orders'],
    protocol: 'http',
    mode: 'staging',
    target: { kind: 'url', url: `https://${name}.staging.example.com` },
    access: { level: 'read_only', allow: [] },
    rules: {},
    recording: {
      file: `recordings/${name}.har`,
      rules: {
        ignore: { query: [], headers: [], body: [] },
        redact: { headers: [], cookies: [], body: [], patterns: [] },
        order: 'any',
      },
      recordMissing: false,
    },
    inCluster: { namespace: 'shiv-shop', service: name, port: 80, tls: false },
    hostnames: [],
    urlTemplate: 'http://${host}:${port}',
    production: `https://${name}.example.com`,
    ...more,
  }
}
const database = (name: string, more: Partial<RemotePlan> = {}): RemotePlan =>
  remote(name, {
    protocol: 'postgres',
    target: {
      kind: 'database',
      database: name,
      type: 'postgres',
      namespace: 'shop',
      environment: 'staging',
      credentials: { env: 'PASSWORD' },
    },
    ...more,
  })

async function open(): Promise<void> {
  const redactor = createRedactor()
  door = await createFrontDoor({ home })
  const withRemotes: Planner = {
    ...planner,
    localise: (...args) => ({ ...planner.localise(...args), remotes, remoteEnvironments: environments }),
  }
  engine = openEngine({
    home,
    redactor,
    log: createLog(() => {}, redactor.text),
    runtime: async () => runtime,
    frontDoor: async () => door,
    dependencies: async () => driver,
    deployment: () => Promise.reject(new Error('nothing is deployed here')),
    buildContainers: async () => ({ run: async () => ({ code: 127, lines: [] }), end: async () => {} }),
    planner: async () => withRemotes,
    watcher: async () => ({ name: 'none', watch: async () => ({ watches: 0, close: async () => {} }) }),
    command: async () => async () => ({ code: 0, lines: [] }),
  })
}

async function reopen(): Promise<void> {
  await engine.close({ keepRuns: true })
  await door.close()
  await open()
}

beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'shiv-dependencies-'))
  shop = createWorkspace({
    'shiv.yaml': 'name: shop\n',
    'orders/service.yaml': 'name: orders\nlanguage: node\nports: [{ name: http, port: 3000 }]\n',
    'orders/package.json': '{}',
    'billing/service.yaml': 'name: billing\nlanguage: node\nports: [{ name: http, port: 3000 }]\n',
    'billing/package.json': '{}',
  })
  runtime = createFakeRuntime('process')
  driver = createFakeDependencies()
  remotes = [remote('invoices', { local: { service: 'billing' } }), database('users-db')]
  environments = [staging]
  await open()
})
afterEach(async () => {
  await engine.close({ keepRuns: true })
  await door.close()
  rmSync(home, { recursive: true, force: true })
  shop.remove()
})

const ask = (events: EngineEvent[] = [], signal = new AbortController().signal): Ask => ({
  by: { command: 'shiv', pid: 42 },
  signal,
  emit: async (event) => void events.push(event),
})
const start = (events: EngineEvent[] = []): Promise<StartResult> =>
  engine.start({ path: shop.root, services: [], env: 'local', environment: {} }, ask(events))
const stop = (purge = false) => engine.stop({ path: shop.root, services: [], purge }, ask())
const mode = (name: string, wanted?: 'local' | 'staging' | 'record' | 'replay') =>
  engine.proxyMode({ path: shop.root, name, ...(wanted && { mode: wanted }) })
const list = async (): Promise<DependencyStatus[]> => (await engine.proxy({ path: shop.root, names: [] })).dependencies
const code = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'done',
    (error: ShivError) => error.code,
  )

const runId = (): string => runIdOf({ name: 'shop', root: shop.root })

/** What whoever connects to a dependency is served by. */
function read(port: number | undefined): Promise<string> {
  return new Promise((resolve) => {
    let text = ''
    const socket = connect({ port: port!, host: '127.0.0.1' })
    socket.on('data', (chunk) => (text += String(chunk)))
    socket.on('error', () => resolve('refused'))
    socket.on('close', () => resolve(text))
  })
}

describe('with its run', () => {
  it('is there before the services start, and told at the end of start', async () => {
    let served: string[] = []
    runtime.onReconcile = () => void (served = [...driver.open.keys()])
    const { run } = await start()
    expect(served).toEqual(['invoices', 'users-db'])
    expect(run.dependencies?.map(({ name, serves, access }) => [name, serves, access.level])).toEqual([
      ['invoices', 'staging (https://invoices.staging.example.com)', 'read_only'],
      ['users-db', 'staging (users-db)', 'read_only'],
    ])
    expect(await read(run.dependencies?.[0]?.port)).toBe(
      'invoices staging staging (https://invoices.staging.example.com) read_only',
    )
  })

  it('is closed at stop, and has its port again at the next start', async () => {
    const { run } = await start()
    const before = run.dependencies?.map(({ port }) => port)
    await stop()
    expect(driver.open.size).toBe(0)
    expect(await read(before?.[0])).toBe('refused')
    expect((await start()).run.dependencies?.map(({ port }) => port)).toEqual(before)
  })

  it('gives its ports back with a purge', async () => {
    const forgotten: string[] = []
    const { forgetPorts } = driver
    driver.forgetPorts = async (prefix) => void (forgotten.push(prefix), await forgetPorts(prefix))
    await start()
    await stop(true)
    expect(forgotten).toEqual([expect.stringMatching(/^shop-[0-9a-f]{8}\/dependency\/$/)])
  })

  it('comes back after a daemon, at its port and in its mode, with the same password', async () => {
    await start()
    await mode('invoices', 'local')
    const before = await list()
    const address = engine.dependencyAddress(runId(), 'users-db')
    await reopen()
    expect((await list()).map(({ name, port, mode }) => [name, port, mode])).toEqual(
      before.map(({ name, port, mode }) => [name, port, mode]),
    )
    expect(await read(before[0]?.port)).toMatch(/^invoices local local \(billing\)/)
    expect(engine.dependencyAddress(runId(), 'users-db')).toEqual(address)
    expect(driver.open.get('users-db')?.setting.clientPassword).toBe(address?.password)
  })

  it('has services trust the run’s authority where production speaks TLS, and nowhere else', async () => {
    const secure = { namespace: 'shiv-shop', service: 'invoices', port: 80, tls: true, tlsPort: 443 }
    remotes = [remote('invoices', { inCluster: secure, aliases: ['invoices.example.com'] }), database('users-db')]
    await start()
    const folder = join(home, 'runs', runId())
    const files = { authority: join(folder, 'ca.pem'), bundle: join(folder, 'trusted.pem') }
    expect(engine.dependencyAddress(runId(), 'invoices')?.trust).toEqual({ certificate: 'the authority', files })
    expect(engine.dependencyAddress(runId(), 'users-db')).not.toHaveProperty('trust')
    const [first, users] = ['invoices', 'users-db'].map((name) => driver.open.get(name)!)
    expect(first?.authority?.certificate).toBe('the authority')
    expect(users?.authority).toBeUndefined()
    const names = ['invoices.example.com', 'invoices', 'invoices.shiv-shop.svc', 'localhost', '127.0.0.1', '::1']
    expect(first?.setting.certifiedNames).toEqual(expect.arrayContaining(names))
    expect(first?.setting.hosts).toContain('invoices.example.com')
    expect(users?.setting).not.toHaveProperty('certifiedNames')

    await start()
    expect(driver.open.get('invoices')).toBe(first)
    driver.certificate = 'another authority'
    await start()
    expect(driver.open.get('invoices')?.authority?.certificate).toBe('another authority')
    expect(driver.open.get('users-db')).toBe(users)
  })

  it('keeps the password of a database out of the record and of whatever is told', async () => {
    const events: EngineEvent[] = []
    const result = await start(events)
    const { password } = engine.dependencyAddress(runId(), 'users-db')!
    expect(password?.length).toBeGreaterThan(30)
    const record = readFileSync(join(home, 'runs', runId(), 'run.json'), 'utf8')
    expect(record + JSON.stringify([result, events, await list()])).not.toContain(password)
  })

  it('that cannot be served keeps a start from going on, before anything runs', async () => {
    driver.failures.set('users-db', new ShivError('no such recording', { code: 'RECORDING_MISSING' }))
    expect(await code(start())).toBe('RECORDING_MISSING')
    expect(runtime.plans).toEqual([])
  })

  it('that cannot be served does not keep a run from coming back after a daemon', async () => {
    await start()
    driver.failures.set('invoices', new ShivError('the recording is gone', { code: 'RECORDING_MISSING' }))
    await reopen()
    const [invoices, users] = await list()
    expect([invoices?.error?.code, invoices?.port]).toEqual(['RECORDING_MISSING', undefined])
    expect(users?.error).toBeUndefined()
    expect(await read(users?.port)).toContain('users-db staging')
    expect((await start()).run.dependencies?.[0]?.error).toBeUndefined()
  })
})

describe('a Plan that changed', () => {
  it('is a difference: what stays keeps its listener, what is new is opened, what left is closed', async () => {
    await start()
    const kept = driver.open.get('invoices')
    remotes = [remote('invoices', { access: { level: 'read_write', allow: [] } }), remote('search')]
    await start()
    expect(driver.open.get('invoices')).toBe(kept)
    expect(kept?.setting.access.level).toBe('read_write')
    expect([...driver.open.keys()]).toEqual(['invoices', 'search'])
    expect(driver.asked).toContain('leave users-db')
    expect(driver.asked.filter((what) => what.includes('invoices'))).toHaveLength(1)
  })

  it('leads elsewhere without a gap, and only then lets the way before go', async () => {
    await start()
    remotes = [remote('invoices', { target: { kind: 'url', url: 'https://two.example.com' } })]
    await start()
    expect(await read(driver.open.get('invoices')?.port)).toContain('two.example.com')
    const two = driver.asked.indexOf('reach https://two.example.com')
    expect(driver.asked.indexOf('leave https://invoices.staging.example.com')).toBeGreaterThan(two)
  })
})

describe('a mode that is switched', () => {
  it('holds at once and over starts, and until it is reset', async () => {
    const { run } = await start()
    const port = run.dependencies?.[0]?.port
    await mode('invoices', 'local')
    expect(await read(port)).toBe('invoices local local (billing) read_write')
    const again = (await start()).run.dependencies?.[0]
    expect([again?.mode, again?.writtenMode, again?.port]).toEqual(['local', 'staging', port])
    await mode('invoices')
    expect(await read(port)).toContain('invoices staging')
    expect((await list())[0]?.mode).toBe('staging')
  })

  it('ends with the run', async () => {
    await start()
    await mode('invoices', 'local')
    await stop()
    expect((await start()).run.dependencies?.[0]?.mode).toBe('staging')
  })

  it('that cannot be served changes nothing, now or later', async () => {
    await start()
    driver.failures.set('invoices', new ShivError('not there', { code: 'RECORDING_MISSING' }))
    expect(await code(mode('invoices', 'replay'))).toBe('RECORDING_MISSING')
    expect((await list())[0]?.mode).toBe('staging')
    expect((await start()).run.dependencies?.[0]?.mode).toBe('staging')
    await reopen()
    expect((await list())[0]?.mode).toBe('staging')
  })

  it('to local needs something local', async () => {
    await start()
    expect(await code(mode('users-db', 'local'))).toBe('DEPENDENCY_NO_LOCAL')
    expect(await code(mode('usersdb', 'local'))).toBe('DEPENDENCY_UNKNOWN')
    expect((await list())[1]?.mode).toBe('staging')
  })

  it('to local leaves token, paths and names of the other environment behind', async () => {
    const rules = {
      auth: { bearer: { env: 'TOKEN' } },
      rewrite: [{ from: '/', to: '/v2/' }],
      request: { set: { 'x-api-key': 'k' } },
      timeouts: { idleMs: 5 },
    }
    remotes = [remote('invoices', { local: { service: 'billing' }, rules })]
    await start()
    await mode('invoices', 'local')
    expect(driver.open.get('invoices')?.setting.rules).toEqual({ timeouts: { idleMs: 5 } })
  })
})

it('faults are switched on, off over those that are written, and back', async () => {
  remotes = [remote('invoices', { faults: { errorRate: 0.5 } })]
  await start()
  const fault = (faults?: { cutRate: number } | null) =>
    engine.proxyFault({ path: shop.root, name: 'invoices', ...(faults !== undefined && { faults }) })
  const now = () => driver.open.get('invoices')?.setting.faults
  await fault({ cutRate: 1 })
  expect(now()).toEqual({ cutRate: 1 })
  const [off] = (await fault(null)).dependencies
  expect([now(), off?.areFaultsSwitched]).toEqual([undefined, true])
  await fault()
  expect(now()).toEqual({ errorRate: 0.5 })
})

describe('production', () => {
  const ledger = (environment: string, more: Partial<RemotePlan> = {}) =>
    remote('ledger', { target: { kind: 'service', service: 'ledger', namespace: 'payments', environment, tls: false }, ...more })

  it('is never a target, whatever the Plan says', async () => {
    environments = [production]
    remotes = [ledger('production')]
    expect(await code(start())).toBe('DEPENDENCY_PRODUCTION')
    environments = [{ ...production, isProduction: false }]
    expect(await code(start())).toBe('DEPENDENCY_PRODUCTION')
    expect(driver.asked).toEqual([])
  })

  it('is not reached by a switch either', async () => {
    environments = [production]
    remotes = [ledger('production', { mode: 'replay' })]
    await start()
    for (const wanted of ['staging', 'record'] as const) expect(await code(mode('ledger', wanted))).toBe('DEPENDENCY_PRODUCTION')
    expect(driver.asked).toEqual([])
  })

  it('may be read where shiv.yaml gives the reason, which every start tells, and not written to', async () => {
    environments = [{ ...production, allowProduction: { level: 'read_only', why: 'incident 4711' } }]
    remotes = [ledger('production')]
    expect((await start()).run.dependencies?.[0]?.production).toEqual({ environment: 'production', why: 'incident 4711' })
    for (const access of [
      { level: 'read_write' as const, allow: [] },
      { level: 'read_only' as const, allow: [{ method: 'POST', path: '/search', why: 'reads' }] },
    ]) {
      remotes = [ledger('production', { access })]
      expect(await code(start())).toBe('DEPENDENCY_PRODUCTION')
    }
  })

  it('is known by its API server, under whatever name of a context', async () => {
    environments = [staging, production]
    remotes = [ledger('staging')]
    driver.servers = { staging: 'https://API.live.example.com', live: 'https://api.live.example.com:443/' }
    expect(await code(start())).toBe('DEPENDENCY_PRODUCTION_CLUSTER')
    expect(driver.asked).toEqual([])
    driver.servers['staging'] = 'https://api.staging.example.com'
    expect(await code(start())).toBe('done')
    delete driver.servers['live']
    expect(await code(start())).toBe('done')
  })
})

describe('what passes', () => {
  it('is kept, the last thousand of each, and sent in the order it came', async () => {
    await start()
    const invoices = driver.open.get('invoices')!
    for (let index = 0; index < 1_500; index += 1) invoices.pass(`GET /${index}`)
    const events: EngineEvent[] = []
    await engine.proxyTail({ path: shop.root, names: ['invoices'], follow: false, tail: 5_000 }, ask(events))
    const summaries = events.map((event) => (event.kind === 'dependency' ? event.event.summary : ''))
    expect(summaries).toHaveLength(1_000)
    expect([summaries[0], summaries[999]]).toEqual(['GET /500', 'GET /1499'])
  })

  it('is followed until the reader leaves, of the named ones only', async () => {
    await start()
    const events: EngineEvent[] = []
    const gone = new AbortController()
    const tail = engine.proxyTail({ path: shop.root, names: ['invoices'], follow: true }, ask(events, gone.signal))
    await new Promise((resolve) => setImmediate(resolve))
    driver.open.get('invoices')?.pass('GET /a', 'refused')
    driver.open.get('users-db')?.pass('SELECT …')
    await expect.poll(() => events.length).toBe(1)
    gone.abort()
    expect(await tail).toMatchObject({ events: 1 })
    driver.open.get('invoices')?.pass('GET /b')
    expect(events).toMatchObject([{ event: { summary: 'GET /a', outcome: 'refused' } }])
  })
})

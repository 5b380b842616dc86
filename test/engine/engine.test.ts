import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { ShivError } from '../../src/core/errors.ts'
import { createLog } from '../../src/core/log.ts'
import { createRedactor } from '../../src/core/redact.ts'
import { createFrontDoor } from '../../src/drivers/proxy/front-door.ts'
import { openEngine, type Engine } from '../../src/engine/engine.ts'
import type { Ask } from '../../src/engine/parts.ts'
import { planner } from '../../src/engine/planner.ts'
import type { FrontDoor } from '../../src/engine/ports.ts'
import type { EngineEvent, StartParams } from '../../src/engine/results.ts'
import { createFakeDependencies } from '../support/fake-dependencies.ts'
import { crash, createFakeRuntime, type FakeRuntime } from '../support/fake-runtime.ts'
import { createWorkspace, type TestWorkspace } from '../support/workspace.ts'

const service = (name: string, more = '') => `name: ${name}\nlanguage: node\nports: [{ name: http, port: 3000 }]\n${more}`

let home: string
let shop: TestWorkspace
let engine: Engine
let fakes: { kind: FakeRuntime; process: FakeRuntime }
let logged: string[]
let door: FrontDoor

async function open(): Promise<void> {
  const redactor = createRedactor()
  door = await createFrontDoor({ home })
  engine = openEngine({
    home,
    redactor,
    log: createLog((line) => logged.push(line), redactor.text),
    runtime: async (name) => (name === 'kind' ? fakes.kind : fakes.process),
    frontDoor: async () => door,
    dependencies: async () => createFakeDependencies(),
    planner: async () => planner,
    watcher: async () => ({ name: 'none', watch: async () => ({ watches: 0, close: async () => {} }) }),
    deployment: () => Promise.reject(new Error('nothing is deployed here')),
    buildContainers: async () => ({ run: async () => ({ code: 127, lines: [] }), end: async () => {} }),
    command: async () => async () => ({ code: 0, lines: [] }),
  })
}

async function reopen(): Promise<void> {
  await engine.close({ keepRuns: true })
  await door.close()
  await open()
}

beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'shiv-engine-'))
  shop = createWorkspace({
    'shiv.yaml': 'name: shop\n',
    'users/service.yaml': service('users'),
    'users/package.json': '{}',
    'orders/service.yaml': service('orders', 'dependencies: [users]\n'),
    'orders/package.json': '{}',
    'mail/service.yaml': service('mail'),
    'mail/package.json': '{}',
  })
  fakes = { kind: createFakeRuntime('kind'), process: createFakeRuntime('process') }
  fakes.kind.available = false
  logged = []
  await open()
})
afterEach(async () => {
  await engine.close({ keepRuns: true })
  await door.close()
  rmSync(home, { recursive: true, force: true })
  shop.remove()
})

function ask(events: EngineEvent[] = [], signal = new AbortController().signal, command = 'shiv start'): Ask {
  return { by: { command, pid: 42 }, signal, emit: async (event) => void events.push(event) }
}
const params = (more: Partial<StartParams> = {}): StartParams => ({
  path: shop.root,
  services: [],
  env: 'local',
  environment: {},
  ...more,
})
const target = (services: string[] = [], path = shop.root) => ({ path, services })
const status = async () => (await engine.status({ ...target(), all: false }))[0]

test('starts everything of a workspace, with urls and a parity score', async () => {
  const events: EngineEvent[] = []
  const { run, parityScore } = await engine.start(params(), ask(events))
  expect(run).toMatchObject({ state: 'running', runtime: 'process', workspace: { name: 'shop', root: shop.root } })
  expect(run.services.map(({ name, url }) => [name, url])).toContainEqual(['orders', `http://orders.localhost:${door.port}`])
  expect(parityScore).toBeGreaterThan(0)
  const steps = events.flatMap((event) => (event.kind === 'step' && event.step.state === 'done' ? [event.step] : []))
  expect(steps.map((step) => step.name)).toEqual(['Choose the runtime', 'make the world'])
  expect(steps[0]!.note).toContain('kind is missing')
})

test('a service brings what it depends on, and a second one keeps the first', async () => {
  await engine.start(params({ services: ['orders'] }), ask())
  expect(fakes.process.asked.at(-1)).toBe('reconcile users,orders')
  await engine.start(params({ services: ['mail'] }), ask())
  expect(fakes.process.asked.at(-1)!.split(' ')[1]!.split(',').sort()).toEqual(['mail', 'orders', 'users'])
})

test('a path inside a service means that service', async () => {
  await engine.start(params({ path: join(shop.root, 'mail') }), ask())
  expect(fakes.process.asked).toEqual(['reconcile mail'])
})

test('an unknown service is refused before anything is made', async () => {
  await expect(engine.start(params({ services: ['ordres'] }), ask())).rejects.toMatchObject({
    code: 'PLAN_SERVICE_UNKNOWN',
    exit: 2,
  })
  expect(fakes.process.asked).toEqual([])
  expect(await status()).toBeUndefined()
})

test('kind is chosen where it is available, process where it is not, and the choice is kept', async () => {
  fakes.kind.available = true
  expect((await engine.start(params(), ask())).run.runtime).toBe('kind')
  await engine.stop({ ...target(), purge: false }, ask())
  fakes.kind.available = false
  await expect(engine.start(params(), ask())).rejects.toMatchObject({ code: 'FAKE_MISSING', exit: 3 })
  expect((await engine.start(params({ runtime: 'process' }), ask())).run.runtime).toBe('process')
})

test('another runtime takes over only after the first has let go', async () => {
  fakes.kind.available = true
  await engine.start(params({ runtime: 'process' }), ask())
  await engine.start(params({ runtime: 'kind' }), ask())
  expect(fakes.process.asked.map((line) => line.split(' ')[0])).toEqual(['reconcile', 'remove'])
  expect((await status())?.runtime).toBe('kind')
})

test('operations on one workspace queue, and the later one hears who works', async () => {
  let openGate = (): void => {}
  fakes.process.gate = new Promise((resolve) => (openGate = resolve))
  const first = engine.start(params(), ask([], undefined, 'shiv start orders'))
  await expect.poll(() => fakes.process.asked.length).toBe(1)
  const events: EngineEvent[] = []
  const second = engine.stop({ ...target(), purge: false }, ask(events, undefined, 'shiv stop'))
  await expect.poll(() => events).toContainEqual({ kind: 'waiting', behind: { command: 'shiv start orders', pid: 42 } })
  expect(fakes.process.asked).toHaveLength(1)
  openGate()
  await Promise.all([first, second])
  expect(fakes.process.asked.map((line) => line.split(' ')[0])).toEqual(['reconcile', 'remove'])
})

test('a caller that gives up while it waits leaves the queue at once', async () => {
  let openGate = (): void => {}
  fakes.process.gate = new Promise((resolve) => (openGate = resolve))
  const first = engine.start(params(), ask())
  await expect.poll(() => fakes.process.asked.length).toBe(1)
  const leaving = new AbortController()
  const second = engine.start(params(), ask([], leaving.signal))
  leaving.abort()
  await expect(second).rejects.toMatchObject({ code: 'INTERRUPTED', exit: 130 })
  openGate()
  await first
})

test('workspaces work side by side', async () => {
  const other = createWorkspace({ 'service.yaml': service('alone'), 'package.json': '{}' })
  try {
    fakes.kind.available = true
    fakes.process.gate = new Promise(() => {})
    const leaving = new AbortController()
    const blocked = engine.start(params({ runtime: 'process' }), ask([], leaving.signal))
    await engine.start(params({ path: other.root, runtime: 'kind' }), ask())
    leaving.abort()
    await expect(blocked).rejects.toMatchObject({ code: 'INTERRUPTED' })
  } finally {
    other.remove()
  }
})

test('an interrupted start is completed by the next one', async () => {
  fakes.process.gate = new Promise(() => {})
  const leaving = new AbortController()
  const first = engine.start(params(), ask([], leaving.signal))
  await expect.poll(() => fakes.process.asked.length).toBe(1)
  leaving.abort()
  await expect(first).rejects.toMatchObject({ code: 'INTERRUPTED', exit: 130 })
  expect(await status()).toMatchObject({ state: 'failed', error: { code: 'INTERRUPTED' } })
  fakes.process.gate = undefined
  expect((await engine.start(params(), ask())).run.state).toBe('running')
})

test('a caller that leaves after the start does not disturb what the runtime watches', async () => {
  const leaving = new AbortController()
  await engine.start(params(), ask([], leaving.signal))
  leaving.abort()
  expect(fakes.process.lastContext!.signal.aborted).toBe(false)
})

test('a failed start tells why, and the state keeps it', async () => {
  fakes.process.failure = crash()
  await expect(engine.start(params(), ask())).rejects.toMatchObject({ code: 'PROCESS_EXITED' })
  expect(await status()).toMatchObject({ state: 'failed', error: { code: 'PROCESS_EXITED', hint: 'shiv logs orders' } })
})

test('running becomes degraded when a replica crashes and running again when it is back', async () => {
  await engine.start(params(), ask())
  const health = (state: 'crashed' | 'ready') =>
    fakes.process.lastContext!.emit({ kind: 'health', service: 'orders', replica: 'orders-1', state })
  health('crashed')
  expect((JSON.parse(record()) as { state: string }).state).toBeTypeOf('string')
  await expect.poll(() => JSON.parse(record()).state).toBe('degraded')
  health('ready')
  await expect.poll(() => JSON.parse(record()).state).toBe('running')
})

interface BrokenPlan {
  services: unknown[]
  databases: unknown[]
  images: unknown[]
}

const folder = () => join(home, 'runs', readdirSync(join(home, 'runs'))[0]!)
const record = () => readFileSync(join(folder(), 'run.json'), 'utf8')

test('the next daemon takes its runs over, routes included', async () => {
  await engine.start(params(), ask())
  const before = await status()
  await reopen()
  expect(fakes.process.released).toEqual([before!.id])
  expect(await status()).toMatchObject({
    id: before!.id,
    state: 'running',
    services: before!.services.map(({ name, url }) => ({ name, url })),
  })
  expect(fakes.process.asked.map((line) => line.split(' ')[0])).toEqual(['reconcile', 'adopt'])
})

test('a run of which nothing lives any more is said to be lost, and a start brings it back', async () => {
  await engine.start(params(), ask())
  rmSync(join(folder(), 'world.json'))
  await reopen()
  expect(await status()).toMatchObject({ state: 'failed', error: { code: 'RUN_LOST' } })
  expect((await engine.start(params(), ask())).run.state).toBe('running')
})

test('a daemon that died in the middle of a start leaves a run that says so', async () => {
  await engine.start(params(), ask())
  const started = JSON.parse(record()) as { state: string }
  await engine.close({ keepRuns: true })
  await door.close()
  writeFileSync(join(folder(), 'run.json'), JSON.stringify({ ...started, state: 'starting' }))
  rmSync(join(folder(), 'world.json'))
  await open()
  expect((await status())?.state).toBe('failed')
})

test.each(['{"version":1,"id":', '{}', 'null', '[]', '{"version":2}'])(
  'a broken record (%s) is set aside, not lost',
  async (text) => {
    await engine.start(params(), ask())
    const path = folder()
    await engine.close({ keepRuns: true })
    await door.close()
    writeFileSync(join(path, 'run.json'), text)
    await open()
    expect(await status()).toBeUndefined()
    const aside = readdirSync(path).find((name) => name.startsWith('run.json.broken-'))
    expect(readFileSync(join(path, aside!), 'utf8')).toBe(text)
    expect(logged.join('')).toContain('RUN_RECORD_BROKEN')
  },
)

test.each([
  ['a service that is none', (plan: BrokenPlan) => (plan.services = [null])],
  ['a service whose name is a path', (plan: BrokenPlan) => (plan.services[0] = { name: '../x', root: '/' })],
  ['a service without a folder', (plan: BrokenPlan) => (plan.services[0] = { name: 'x', root: 'x' })],
  ['a database that is none', (plan: BrokenPlan) => (plan.databases = ['x'])],
  ['an image that is none', (plan: BrokenPlan) => (plan.images = [null])],
])('a record with %s is set aside, and status tells the others', async (_, spoil) => {
  await engine.start(params(), ask())
  const good = JSON.parse(record()) as { plan: BrokenPlan; id: string }
  await engine.close({ keepRuns: true })
  await door.close()
  const id = 'other-12345678'
  mkdirSync(join(home, 'runs', id))
  const broken = structuredClone({ ...good, id })
  spoil(broken.plan)
  writeFileSync(join(home, 'runs', id, 'run.json'), JSON.stringify(broken))
  await open()
  expect((await engine.status({ ...target(), all: true })).map((run) => [run.id, run.state])).toEqual([[good.id, 'running']])
  expect(readdirSync(join(home, 'runs', id))).toEqual([expect.stringMatching(/^run\.json\.broken-/)])
  expect(logged.join('')).toContain('RUN_RECORD_BROKEN')
})

test('a record that cannot be read is told, and takes no other run down', async () => {
  await engine.start(params(), ask())
  await engine.close({ keepRuns: true })
  await door.close()
  mkdirSync(join(home, 'runs', 'strange', 'run.json'), { recursive: true })
  await open()
  expect((await status())?.state).toBe('running')
  expect(logged.join('')).toContain('RUN_RECORD_BROKEN')
})

test('stop removes everything, twice is once, and data is forgotten only with purge', async () => {
  await engine.start(params(), ask())
  const { stopped } = await engine.stop({ ...target(), purge: false }, ask())
  expect(stopped).toMatchObject([{ workspace: 'shop', purged: false }])
  expect((await engine.stop({ ...target(), purge: false }, ask())).stopped).toEqual([])
  expect(existsSync(folder())).toBe(true)
  expect(engine.isNeeded()).toBe(false)
  await engine.stop({ ...target(), purge: true }, ask())
  expect(readdirSync(join(home, 'runs'))).toEqual([])
})

test('stopping one service leaves the others, unless they need it', async () => {
  await engine.start(params(), ask())
  await expect(engine.stop({ ...target(['users']), purge: false }, ask())).rejects.toMatchObject({
    code: 'SERVICE_NEEDED',
    exit: 2,
  })
  await engine.stop({ ...target(['mail']), purge: false }, ask())
  expect(fakes.process.asked.at(-1)).toBe('reconcile users,orders')
  await expect(engine.stop({ ...target(['nobody']), purge: false }, ask())).rejects.toMatchObject({ code: 'SERVICE_UNKNOWN' })
})

test('missing secrets are told all at once, with who wants them and what to ask', async () => {
  shop.write(
    'mail/service.yaml',
    service('mail', 'env:\n  SMTP_PASSWORD: { secret: smtp }\n  TOKEN: { prompt: "Your sandbox token" }\n'),
  )
  const error = await engine.start(params(), ask()).catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(ShivError)
  const { code, exit, hint, faults } = error as ShivError
  expect({ code, exit }).toEqual({ code: 'SECRET_MISSING', exit: 2 })
  expect(hint).toMatch(/export .*\.env\.local.*environments\.local\.env/)
  expect(faults.map((fault) => fault.message)).toEqual([
    expect.stringMatching(/^SMTP_PASSWORD is wanted by mail/),
    expect.stringMatching(/^TOKEN is wanted by mail/),
  ])
  expect(faults[0]!.file).toBe(join(shop.root, 'mail/service.yaml'))
  expect(faults[1]!.ask).toEqual({ variable: 'TOKEN', prompt: 'Your sandbox token' })
})

test('secrets come from the environment or .env.local, reach the runtime, and leave nowhere', async () => {
  shop.write('mail/service.yaml', service('mail', 'env:\n  SMTP_PASSWORD: { secret: smtp }\n  TOKEN: { secret: token }\n'))
  shop.write('.env.local', '# mine\nexport TOKEN="from-the-file" # yes\n')
  await engine.start(params({ environment: { SMTP_PASSWORD: 'from-the-shell' } }), ask())
  const context = fakes.process.lastContext!
  expect([context.secretValue('SMTP_PASSWORD'), context.secretValue('TOKEN')]).toEqual(['from-the-shell', 'from-the-file'])
  expect(record()).not.toMatch(/from-the-(shell|file)/)
  fakes.process.lines = [
    { time: 1, source: 'mail', replica: 'mail-1', stream: 'stdout', text: 'I am from-the-shell', fields: { t: 'from-the-file' } },
  ]
  const events: EngineEvent[] = []
  await engine.logs({ ...target(), sources: [], follow: false }, ask(events))
  expect(JSON.stringify(events)).toContain('redacted')
  expect(JSON.stringify(events)).not.toMatch(/from-the-(shell|file)/)
})

test('the next daemon reads .env.local again, and nothing that was only exported', async () => {
  shop.write('mail/service.yaml', service('mail', 'env:\n  SMTP_PASSWORD: { secret: smtp }\n  TOKEN: { secret: token }\n'))
  shop.write('.env.local', 'TOKEN=from-the-file\n')
  await engine.start(params({ environment: { SMTP_PASSWORD: 'from-the-shell' } }), ask())
  await reopen()
  expect((await status())?.state).toBe('running')
  const context = fakes.process.lastContext!
  expect([context.secretValue('SMTP_PASSWORD'), context.secretValue('TOKEN')]).toEqual([undefined, 'from-the-file'])
})

test('restart and exec of a database say that it is one', async () => {
  shop.write('mail/service.yaml', service('mail', 'databases: [ {postgres: letters} ]\n'))
  await engine.start(params(), ask())
  const message = expect.stringContaining('letters is a database')
  await expect(engine.restart(target(['letters']), ask())).rejects.toMatchObject({ code: 'SERVICE_UNKNOWN', message })
  await expect(engine.exec({ ...target(['letters']), argv: ['ls'] }, ask())).rejects.toMatchObject({ exit: 2, message })
})

test('following a run that is purged elsewhere ends with it; a failure while it lives is told', async () => {
  await engine.start(params(), ask())
  let lose: ((error: Error) => void) | undefined
  // eslint-disable-next-line require-yield -- it fails before its first line
  fakes.process.logs = async function* logs() {
    await new Promise<never>((_, reject) => (lose = reject))
  }
  const follow = () => engine.logs({ ...target(), sources: [], follow: true }, ask())
  const told = follow()
  await expect.poll(() => lose).toBeDefined()
  lose!(new Error('the disk is gone'))
  lose = undefined
  await expect(told).rejects.toThrow('the disk is gone')
  const ended = follow()
  await expect.poll(() => lose).toBeDefined()
  await engine.stop({ ...target(), purge: true }, ask())
  lose!(new Error('ENOENT: the logs are deleted'))
  expect(await ended).toEqual({ version: 1, lines: 0 })
})

test('logs of a name that nothing has are refused, not empty', async () => {
  await engine.start(params(), ask())
  const logs = (source: string) => engine.logs({ ...target(), sources: [source], follow: false }, ask())
  await expect(logs('orderz')).rejects.toMatchObject({ code: 'SERVICE_UNKNOWN', exit: 2, hint: 'did you mean "orders"?' })
  expect(await logs('orders')).toMatchObject({ version: 1 })
})

test('plan changes nothing; parity is verified against the world', async () => {
  expect((await engine.plan(params())).services.map(({ name }) => name)).toHaveLength(3)
  expect(fakes.process.asked).toEqual([])
  await expect(engine.parity({ ...params(), verify: true }, ask())).rejects.toMatchObject({ code: 'RUN_NOT_FOUND' })
  await engine.start(params(), ask())
  const { verified, facts } = await engine.parity({ ...params(), verify: true }, ask())
  expect(verified).toBe(true)
  const verdicts = facts.filter((fact) => fact.reading).map((fact) => fact.live?.verdict)
  expect(verdicts).toContain('confirmed')
  expect(verdicts.filter((verdict) => verdict === undefined || verdict === 'unreadable')).toEqual([])
})

test('exec and restart reach the runtime', async () => {
  await engine.start(params(), ask())
  expect(await engine.exec({ ...target(['mail']), argv: ['ls', '-l'] }, ask())).toMatchObject({ code: 3, stdout: 'mail: ls -l' })
  await engine.restart(target(['mail']), ask())
  expect(fakes.process.asked.at(-1)).toBe('restart mail')
  await expect(engine.exec({ ...target([], tmpdir()), argv: ['ls'] }, ask())).rejects.toMatchObject({ code: 'RUN_NOT_FOUND' })
})

test('a path means the workspace of the nearest shiv.yaml, also when a service of it once ran alone', async () => {
  rmSync(join(shop.root, 'shiv.yaml'))
  const alone = await engine.start(params({ path: join(shop.root, 'mail') }), ask())
  expect(alone.run.workspace.root).toBe(join(shop.root, 'mail'))
  shop.write('shiv.yaml', 'name: shop\n')
  const whole = await engine.start(params(), ask())
  const found = await engine.status({ ...target([], join(shop.root, 'mail')), all: false })
  expect(found.map(({ id }) => id)).toEqual([whole.run.id])
})

test('two clones of a workspace have addresses of their own', async () => {
  const clone = createWorkspace({ 'shiv.yaml': 'name: shop\n', 'mail/service.yaml': service('mail'), 'mail/package.json': '{}' })
  try {
    const first = await engine.start(params({ services: ['mail'] }), ask())
    const second = await engine.start(params({ path: clone.root }), ask())
    expect(second.run.id).not.toBe(first.run.id)
    expect(second.run.services[0]!.url).not.toBe(first.run.services[0]!.url)
    await engine.stop({ ...target(), purge: false }, ask())
    expect((await engine.status({ ...target([], clone.root), all: false }))[0]).toMatchObject({
      id: second.run.id,
      state: 'running',
    })
  } finally {
    clone.remove()
  }
})

const why = (files: string[], more: Partial<StartParams> = {}) =>
  engine.why({ ...params(more), files: files.map((file) => join(shop.root, file)) })

test('tells of a file that nothing runs yet for what a save would do, to which service, by which rule', async () => {
  shop.write('users/service.yaml', `${service('users')}reload:\n  rules:\n    - { files: [views/**], do: sync, restart: none }\n`)
  const { files } = await why(['users/views/a.html', 'users/src/a.js', 'users/service.yaml', 'shiv.yaml', 'notes.txt'], {
    runtime: 'process',
  })
  expect(files.map(({ verdicts }) => verdicts.map(({ services, action, from }) => [services.join(), action, from]))).toEqual([
    [['users', 'sync', 'service.yaml']],
    [['users', 'sync', 'preset node']],
    [['users', 'plan', 'shiv']],
    [['mail,users,orders', 'plan', 'shiv']],
    [],
  ])
  expect(files[0]!.verdicts[0]).toMatchObject({
    rule: 'views/** → sync to /app',
    restart: 'none',
    position: { file: join(shop.root, 'users/service.yaml'), line: 6 },
  })
})

test('names the path in the container, and every service that shares a folder', async () => {
  fakes.kind.available = true
  const { files } = await why(['orders/src/a.js'])
  expect(files[0]!.verdicts).toMatchObject([{ services: ['orders'], targets: ['/app/src/a.js'] }])
  shop.write('orders/inner/service.yaml', service('inner'))
  shop.write('orders/inner/package.json', '{}')
  const shared = await why(['orders/inner/a.js'])
  expect(shared.files[0]!.verdicts.map(({ services, targets }) => [services[0], targets[0]]).sort()).toEqual([
    ['inner', '/app/a.js'],
    ['orders', '/app/inner/a.js'],
  ])
})

test('a start without reload has a Plan without its rules, also when some of it is stopped later', async () => {
  await engine.start(params({ reload: false }), ask())
  const plans = () => fakes.process.plans.at(-1)!
  expect(plans().services.every((each) => each.reload === undefined)).toBe(true)
  await engine.stop({ ...target(['mail']), purge: false }, ask())
  expect(plans().services.every((each) => each.reload === undefined)).toBe(true)
  await engine.start(params(), ask())
  expect(plans().services.map((each) => each.reload?.spare)).toContain('node')
})

import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createLog } from '../../../src/core/log.ts'
import { createRedactor, type Redactor } from '../../../src/core/redact.ts'
import { createFrontDoor } from '../../../src/drivers/proxy/front-door.ts'
import type { BuildContainers, ContainerBuild, HostCommand } from '../../../src/engine/reload/build-step.ts'
import { chooseWatcher } from '../../../src/drivers/watch/choose-watcher.ts'
import { openEngine, type Engine } from '../../../src/engine/engine.ts'
import type { Ask } from '../../../src/engine/parts.ts'
import { hashText } from '../../../src/engine/reload/source-tree.ts'
import { planner } from '../../../src/engine/planner.ts'
import type { FrontDoor, ReloadOrder } from '../../../src/engine/ports.ts'
import type { EngineEvent, StartParams } from '../../../src/engine/results.ts'
import { createFakeDependencies } from '../../support/fake-dependencies.ts'
import { createFakeRuntime, type FakeRuntime } from '../../support/fake-runtime.ts'
import { createWorkspace, type TestWorkspace } from '../../support/workspace.ts'

let home: string
let shop: TestWorkspace
let engine: Engine
let door: FrontDoor
let runtime: FakeRuntime
let orders: ReloadOrder[]
let logged: string[]
let redactor: Redactor

let hostCommand: HostCommand
let containers: BuildContainers

async function open(): Promise<void> {
  redactor = createRedactor()
  door = await createFrontDoor({ home })
  runtime = reloading(runtime)
  engine = openEngine({
    home,
    redactor,
    log: createLog((line) => logged.push(line), redactor.text),
    runtime: async () => runtime,
    frontDoor: async () => door,
    dependencies: async () => createFakeDependencies(),
    planner: async () => planner,
    watcher: chooseWatcher,
    deployment: () => Promise.reject(new Error('nothing is deployed here')),
    buildContainers: async () => containers,
    command: async () => hostCommand,
  })
}

/** Takes every order at once; there is nothing that would listen, so nobody counts as ready. */
function reloading(fake: FakeRuntime): FakeRuntime {
  return Object.assign(fake, {
    reload: {
      apply: async (_plan: unknown, order: ReloadOrder) => {
        orders.push(order)
        for (const phase of ['sent', 'applied'] as const) order.passed(phase)
        return { replicas: [{ id: `${order.service.name}-1`, state: 'pending' as const }] }
      },
      holdings: async () => [{ replica: 'one', mark: orders.at(-1)?.mark, sequence: orders.at(-1)?.sequence }],
      verify: async (_plan: unknown, _service: string, expected: ReadonlyMap<string, string>) => [
        { replica: 'one', checked: expected.size, differing: [] },
      ],
    },
  })
}

beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'shiv-reload-'))
  shop = createWorkspace({
    'shiv.yaml': 'name: shop\n',
    'users/service.yaml': 'name: users\nlanguage: node\ncommand: [node, server.js]\n',
    'users/package.json': '{}',
    'users/server.js': 'first',
  })
  orders = []
  logged = []
  hostCommand = async () => ({ code: 0, lines: [] })
  containers = { run: async () => ({ code: 127, lines: [] }), end: async () => {} }
  runtime = createFakeRuntime('kind')
  await open()
})
afterEach(async () => {
  await engine.close({ keepRuns: true })
  await door.close()
  rmSync(home, { recursive: true, force: true })
  shop.remove()
})

const ask = (events: EngineEvent[] = []): Ask => ({
  by: { command: 'test', pid: 42 },
  signal: new AbortController().signal,
  emit: async (event) => void events.push(event),
})
const params = (more: Partial<StartParams> = {}): StartParams => ({
  path: shop.root,
  services: [],
  env: 'local',
  environment: {},
  ...more,
})
const target = () => ({ path: shop.root, services: [] })
const save = (text: string, path = 'users/server.js') => writeFileSync(join(shop.root, path), text)
const until = async (condition: () => boolean | Promise<boolean>) => {
  for (let i = 0; !(await condition()) && i < 400; i++) await new Promise((resolve) => setTimeout(resolve, 5))
  expect(await condition()).toBe(true)
}

test('a save after the start is an order with the file where the container has it, and a loop that is kept', async () => {
  await engine.start(params(), ask())
  save('second')
  await until(async () => (await engine.loops(target(), ask())).loops.length === 1)
  expect([...orders[0]!.overlay.keys()]).toEqual(['/app/server.js'])
  const [loop] = (await engine.loops(target(), ask())).loops
  expect(loop).toMatchObject({ id: 1, service: 'users', files: ['server.js'], action: 'sync', pending: 1 })
  const reload = async () => (await engine.status({ ...target(), all: false }))[0]!.services[0]!.reload!
  await until(async () => (await reload()).isCurrent)
  expect(await reload()).toMatchObject({ mark: orders[0]!.mark })
  expect(await engine.verify(target(), ask())).toMatchObject({ isSame: true, services: [{ name: 'users' }] })
})

test('a save while the image was being built is brought after the start', async () => {
  let finish = () => {}
  runtime.gate = new Promise<void>((resolve) => (finish = resolve))
  const starting = engine.start(params(), ask())
  await until(() => runtime.asked.length === 1)
  save('while it started')
  finish()
  await starting
  await until(() => orders.length === 1)
  expect([...orders[0]!.overlay.keys()]).toEqual(['/app/server.js'])
})

test('a save of service.yaml, of shiv.yaml and of a dependency makes the run anew', async () => {
  await engine.start(params(), ask())
  save('name: users\nlanguage: node\ncommand: [node, server.js]\nenv: { GREETING: hello }\n', 'users/service.yaml')
  await until(() => runtime.asked.length === 2)
  await until(async () => (await engine.loops(target(), ask())).loops.length === 1)
  save('name: shop\n\n', 'shiv.yaml')
  await until(async () => (await engine.loops(target(), ask())).loops.length === 2)
  save('{"dependencies":{}}', 'users/package.json')
  await until(async () => (await engine.loops(target(), ask())).loops.length === 3)
  expect((await engine.loops(target(), ask())).loops.map(({ action, outcome }) => `${action} ${outcome}`)).toEqual([
    'plan served',
    'plan served',
    'image served',
  ])
  expect(orders).toEqual([])
})

test('what defines the workspace and lies in the folder of a service makes the run anew once', async () => {
  const lone = createWorkspace({
    'shiv.yaml': 'name: lone\nservices: [.]\n',
    'service.yaml': 'name: users\nlanguage: node\ncommand: [node, server.js]\n',
    'package.json': '{}',
    'server.js': 'first',
    '.dockerignore': 'presets\n',
  })
  const here = { path: lone.root, services: [] }
  const loops = async () => (await engine.loops(here, ask())).loops.map(({ files }) => files.join())
  try {
    await engine.start(params({ path: lone.root }), ask())
    lone.write('shiv.yaml', 'name: lone\nservices: [.]\n\n')
    await until(async () => (await loops()).length > 0)
    lone.write('presets/extra.md', 'what the service does not hear, the run does')
    await until(async () => (await loops()).includes('presets/extra.md'))
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect(await loops()).toEqual(['shiv.yaml', 'presets/extra.md'])
    expect(runtime.asked).toHaveLength(3)
  } finally {
    await engine.stop({ ...here, purge: false }, ask())
    lone.remove()
  }
})

test('a build whose program is not on this machine is done in a container of the rule’s image, which ends with the run', async () => {
  const builds: ContainerBuild[] = []
  const ended: string[] = []
  hostCommand = async () => ({ code: 127, lines: [] })
  containers = {
    run: async (build) => {
      builds.push(build)
      writeFileSync(join(build.out, 'app'), 'binary')
      return { code: 0, lines: [] }
    },
    end: async (workspace) => void ended.push(workspace),
  }
  const rule =
    'files: ["*.js"], do: build, run: [smith, -o, "${out}/app"], image: "smith:1", env: { FIRE: hot }, sync: { from: "${out}/app", to: /app/app }'
  save(`name: users\nlanguage: node\ncommand: [node, server.js]\nreload: { rules: [{ ${rule} }] }\n`, 'users/service.yaml')
  await engine.start(params({ environment: { SECRET: 'of the caller' } }), ask())
  save('second')
  await until(() => orders.length === 1)
  expect([...orders[0]!.overlay.keys()]).toEqual(['/app/app'])
  expect(builds[0]).toMatchObject({
    argv: ['smith', '-o', join(builds[0]!.out, 'app')],
    image: 'smith:1',
    workspace: shop.root,
    cwd: join(shop.root, 'users'),
    env: { FIRE: 'hot' },
  })
  expect(builds[0]!.env).not.toHaveProperty('SECRET')
  await engine.stop({ ...target(), purge: false }, ask())
  expect(ended).toEqual([shop.root])
})

test('a service.yaml that is wrong keeps what runs, and says what is wrong', async () => {
  await engine.start(params(), ask())
  save('name: users\nlanguage: nodee\n', 'users/service.yaml')
  await until(async () => (await engine.loops(target(), ask())).loops.length === 1)
  const [loop] = (await engine.loops(target(), ask())).loops
  expect(loop).toMatchObject({ action: 'plan', outcome: 'failed' })
  expect(loop!.error!.faults![0]!.message).toMatch(/nodee/)
  expect((await engine.status({ ...target(), all: false }))[0]!.state).toBe('running')
  save('second')
  await until(() => orders.length === 1)
  await until(async () => (await engine.loops(target(), ask())).loops.length === 2)
  expect((await engine.loops(target(), ask())).loops[1]!.remarks).toEqual([
    expect.stringContaining('service.yaml is not in what runs yet'),
  ])
  expect((await engine.status({ ...target(), all: false }))[0]!.services[0]!.reload!.isCurrent).toBe(false)
  save('name: users\nlanguage: node\ncommand: [node, server.js]\n', 'users/service.yaml')
  await until(async () => (await engine.status({ ...target(), all: false }))[0]!.services[0]!.reload!.isCurrent)
})

test('a nested .gitignore that is saved is learned once, deletes nothing in containers, and ends with the run', async () => {
  shop.write('users/sub/data.json', '{}')
  await engine.start(params(), ask())
  save('data.json\n', 'users/sub/.gitignore')
  await new Promise((resolve) => setTimeout(resolve, 300))
  const count = orders.length
  expect(count).toBeLessThanOrEqual(3)
  expect(orders.flatMap(({ overlay }) => [...overlay.keys()])).not.toContain('/app/sub/data.json')
  await new Promise((resolve) => setTimeout(resolve, 300))
  expect(orders).toHaveLength(count)
  await engine.stop({ ...target(), purge: false }, ask())
  save('after', 'users/server.js')
  await new Promise((resolve) => setTimeout(resolve, 100))
  expect(orders).toHaveLength(count)
})

test('a service whose folder vanishes takes nothing else down', async () => {
  shop.write('users/.dockerignore', 'x\n')
  await engine.start(params(), ask())
  rmSync(join(shop.root, 'users'), { recursive: true })
  await new Promise((resolve) => setTimeout(resolve, 200))
  expect((await engine.status({ ...target(), all: true })).length).toBe(1)
})

test('after a rebuild that failed the mended save is answered', async () => {
  await engine.start(params(), ask())
  runtime.failure = new Error('the image does not build')
  save('{"dependencies":{"x":"1"}}', 'users/package.json')
  await until(async () => (await engine.loops(target(), ask())).loops.length === 1)
  expect((await engine.loops(target(), ask())).loops[0]).toMatchObject({ action: 'image', outcome: 'failed' })
  runtime.failure = undefined
  save('{"dependencies":{"x":"2"}}', 'users/package.json')
  await until(async () => (await engine.loops(target(), ask())).loops.at(-1)?.outcome === 'served')
})

test('an edit that is taken back together with a change of service.yaml is taken back in what runs', async () => {
  await engine.start(params(), ask())
  save('second')
  await until(() => orders.length === 1)
  await until(async () => (await engine.loops(target(), ask())).loops.length === 1)
  save('first')
  save('name: users\nlanguage: node\ncommand: [node, server.js]\nenv: { A: b }\n', 'users/service.yaml')
  await until(() => orders.at(-1)?.overlay.get('/app/server.js')?.hash === hashText('first'))
})

test('no secret of an error gets into the file of loops', async () => {
  await engine.start(params({ environment: {} }), ask())
  redactor.add('hunter2secret')
  runtime.reload!.apply = async () => {
    throw new Error('cannot reach postgres://app:hunter2secret@db')
  }
  save('second')
  await until(async () => (await engine.loops(target(), ask())).loops.length === 1)
  const [run] = readdirSync(join(home, 'runs'))
  await until(() => existsSync(join(home, 'runs', run!, 'loops.jsonl')))
  expect(readFileSync(join(home, 'runs', run!, 'loops.jsonl'), 'utf8')).not.toContain('hunter2secret')
  expect(JSON.stringify(await engine.loops(target(), ask()))).not.toContain('hunter2secret')
})

test('a file that was added, brought, and deleted while no daemon was there is gone from what runs', async () => {
  await engine.start(params(), ask())
  save('new', 'users/added.js')
  await until(() => orders.length === 1)
  await until(async () => (await engine.loops(target(), ask())).loops.length === 1)
  await engine.close({ keepRuns: true })
  await door.close()
  rmSync(join(shop.root, 'users/added.js'))
  await open()
  await until(() => orders.at(-1)?.overlay.get('/app/added.js')?.source === undefined && orders.length === 2)
})

test('edits of while no daemon was there are found by the next one', async () => {
  await engine.start(params(), ask())
  save('second')
  await until(() => orders.length === 1)
  await engine.close({ keepRuns: true })
  await door.close()
  save('third')
  await open()
  await until(() => orders.length === 2)
  expect(orders[1]!.sequence).toBeGreaterThan(orders[0]!.sequence)
  expect(orders[1]!.mark).not.toBe(orders[0]!.mark)
})

test('a stopped run hears nothing', async () => {
  await engine.start(params(), ask())
  await engine.stop({ ...target(), purge: false }, ask())
  save('second')
  await new Promise((resolve) => setTimeout(resolve, 50))
  expect(orders).toEqual([])
  await expect(engine.verify(target(), ask())).rejects.toMatchObject({ code: 'RELOAD_OFF' })
})

test('who follows the logs sees loops', async () => {
  await engine.start(params(), ask())
  runtime.logs = async function* () {
    save('second')
    await until(() => orders.length === 1)
    await until(async () => (await engine.loops(target(), ask())).loops.length === 1)
    yield* []
  }
  const events: EngineEvent[] = []
  await engine.logs({ ...target(), sources: [], follow: true }, ask(events))
  expect(events).toContainEqual({ kind: 'loop', loop: expect.objectContaining({ service: 'users', files: ['server.js'] }) })
})

test('who waits for loops after one gets those, at once or when the next is over, and nothing once they leave', async () => {
  await engine.start(params(), ask())
  save('second')
  await until(async () => (await engine.loops(target(), ask())).loops.length === 1)
  expect((await engine.loops({ ...target(), after: 0 }, ask())).loops.map(({ id }) => id)).toEqual([1])
  let isOver = false
  const next = engine.loops({ ...target(), after: 1 }, ask()).finally(() => (isOver = true))
  await new Promise((resolve) => setTimeout(resolve, 20))
  expect(isOver).toBe(false)
  save('third')
  expect((await next).loops.map(({ id }) => id)).toEqual([2])
  const leaving = new AbortController()
  const left = engine.loops({ ...target(), after: 2 }, { ...ask(), signal: leaving.signal })
  leaving.abort()
  await expect(left.catch(() => ({ loops: [] }))).resolves.toMatchObject({ loops: [] })
})

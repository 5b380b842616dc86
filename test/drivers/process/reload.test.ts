import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { Agent, request as httpRequest } from 'node:http'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { WebSocket } from 'undici'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { nodeLanguage, planOf, serviceOf } from '../../contract/plans.ts'
import { evaluate } from '../../support/inspector.ts'
import { createReloadWorld, policy, type ReloadWorld } from './reload-world.ts'
import { findMarked } from '../../../src/drivers/process/sweep.ts'
import { lives, pidsOf, until } from './world.ts'

let world: ReloadWorld
beforeEach(async () => {
  world = await createReloadWorld()
})
afterEach(() => world.end())

/** Echoes the method and the body with its version; nothing of it ends gracefully. */
const at = (version: string | number) => `
import { createServer } from 'node:http'
createServer((request, response) => {
  let body = ''
  request.on('data', (chunk) => (body += chunk))
  request.on('end', () => {
    const end = () => response.end(JSON.stringify({ version: ${JSON.stringify(version)}, method: request.method, body, pid: process.pid }))
    if (request.url === '/slow') setTimeout(end, 400)
    else end()
  })
}).listen(Number(process.env.PORT))
`

const planWith = (overrides: Parameters<typeof serviceOf>[2] = {}, text = at(0)) =>
  planOf(world.home, { services: [serviceOf('web', world.service('web', text), { reload: policy(), ...overrides })] })

interface Answer {
  version: unknown
  method: string
  body: string
  pid: number
}

function ask(path = '/', options: { method?: string; body?: string; agent?: Agent } = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { method = 'GET', body, agent } = options
    // Node's client says no length by itself for a DELETE.
    const headers = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }
    const request = httpRequest(world.url() + path, { method, headers, agent: agent ?? false }, (response) => {
      let text = ''
      response.on('data', (chunk: Buffer) => (text += chunk.toString()))
      response.on('error', reject)
      response.on('end', () => {
        if (response.statusCode === 200) resolve((text === '' ? { method } : JSON.parse(text)) as Answer)
        else reject(new Error(`${response.statusCode} ${text}`))
      })
    })
    request.on('error', reject)
    request.end(body)
  })
}

describe.each([
  ['replaced', policy()],
  ['overlapping', policy({ overlap: true })],
])('%s', (_name, reload) => {
  test('no request is lost, of any method, over kept and new connections, with bodies', async () => {
    const plan = planWith({ reload, replicas: { min: 2, max: 2 } })
    await world.bring(plan)
    const agent = new Agent({ keepAlive: true })
    const lost: string[] = []
    let asked = 0
    let isOver = false
    const load = async (worker: number): Promise<void> => {
      for (let index = worker; !isOver; index += 1) {
        const method = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS'][index % 7]!
        const body = method === 'GET' || method === 'HEAD' ? undefined : `body ${index} `.repeat(200)
        asked += 1
        await ask('/', { method, body, ...(index % 2 === 0 && { agent }) }).then(
          (answer) =>
            (answer.method === method && (body ?? '') === (answer.body ?? '')) || lost.push(`${method}: another answer`),
          (error: Error) => lost.push(`${method}: ${error.message}`),
        )
        await sleep(5)
      }
    }
    const loads = Array.from({ length: 4 }, (_, worker) => load(worker))
    for (let version = 1; version <= 15; version += 1) {
      const { replicas } = await world.reload(plan, at(version))
      expect(replicas.map(({ state }) => state)).toEqual(['ready', 'ready'])
      expect((await ask()).version).toBe(version)
    }
    isOver = true
    await Promise.all(loads)
    agent.destroy()
    expect(lost.slice(0, 5)).toEqual([])
    expect(asked).toBeGreaterThan(30)
  })

  test('a request that the old process is at work on gets its answer from it', async () => {
    const plan = planWith({ reload })
    await world.bring(plan)
    const slow = ask('/slow', { method: 'POST', body: 'an order' })
    await sleep(150)
    await world.reload(plan, at(1))
    expect(await slow).toMatchObject({ version: 0, body: 'an order' })
    expect(await ask()).toMatchObject({ version: 1 })
  })

  test('a process that ignores TERM is gone in the end, and nothing is left of it', async () => {
    const plan = planWith({ reload, terminationGraceSeconds: 0.3 }, `process.on('SIGTERM', () => {}); ${at(0)}`)
    await world.bring(plan)
    const { pid } = await ask()
    await world.reload(plan, at(1))
    expect((await ask()).version).toBe(1)
    await until(() => !lives(pid), 'the old process is gone')
    await until(() => findMarked(world.context().runDir).length === 1, 'one process is left')
  })

  test('workers run the new code too', async () => {
    const worker = `import { writeFileSync } from 'node:fs'; import { code } from './server.mjs'; writeFileSync(process.env.SHIV_RUN_DIR + '/worker.txt', code + process.pid); setInterval(() => {}, 1000)`
    const both = (version: string) =>
      `export const code = '${version} '; if (process.argv[1].endsWith('server.mjs')) { const { createServer } = await import('node:http'); createServer((q, r) => r.end('{}')).listen(Number(process.env.PORT)) }`
    const plan = planWith({ reload, workers: [{ name: 'mailer', command: ['node', 'worker.mjs'], replicas: 1 }] }, both('old'))
    writeFileSync(join(plan.services[0]!.root, 'worker.mjs'), worker)
    await world.bring(plan)
    const { replicas } = await world.reload(plan, both('new'))
    expect(replicas.map(({ id, state }) => [id, state])).toEqual([
      ['web-1', 'ready'],
      ['web-mailer-1', 'ready'],
    ])
    await until(() => readFileSync(join(world.context().runDir, 'worker.txt'), 'utf8').startsWith('new '), 'the worker says so')
  })

  test('a service that crashed after a reload and is backed off is started by the next save at once', async () => {
    const plan = planWith({ reload })
    await world.bring(plan)
    await world.reload(plan, at(1).replace('let body', "if (request.url === '/die') process.exit(3)\n  let body"))
    await until(async () => {
      await ask('/die').catch(() => undefined) // it dies of it
      const [replica] = (await world.runtime.read(plan, world.context())).services[0]!.replicas
      return replica!.restarts >= 2
    }, 'it crashed twice')
    const { replicas } = await world.reload(plan, at(2))
    expect(replicas).toEqual([{ id: 'web-1', state: 'ready' }])
    expect((await ask()).version).toBe(2)
  })

  test('an attached debugger finds the new process on the same port', async () => {
    const language = { ...nodeLanguage, debug: { protocol: 'node-inspector', port: 9229, env: {} } } as typeof nodeLanguage
    const plan = planWith({ reload, language }, `process.on('SIGTERM', () => process.exit(0)); ${at(0)}`)
    await world.bring(plan)
    const debug = async () => (await world.runtime.read(plan, world.context())).services[0]!.debug!
    const { port } = await debug()
    const attached = await attach(port)
    await world.reload(plan, at(1))
    const { pid } = await ask()
    expect((await debug()).port).toBe(port)
    await until(async () => (await inspectedPid(port).catch(() => undefined)) === pid, 'the debug port is of the new process')
    attached.close()
    // A restart after a crash opens it again.
    process.kill(pid, 'SIGKILL')
    await until(async () => {
      const found = await inspectedPid(port).catch(() => undefined)
      return found !== undefined && found !== pid
    }, 'the debug port is of the one that came after a crash')
  })

  test('the next start keeps what a reload has started', async () => {
    const plan = planWith({ reload })
    await world.bring(plan)
    await world.reload(plan, at(1))
    const pids = pidsOf(await world.runtime.read(plan, world.context()), 'web')
    await world.bring(plan)
    expect(pidsOf(await world.runtime.read(plan, world.context()), 'web')).toEqual(pids)
  })
})

test('while the first start hangs, a save starts the service that was mended', async () => {
  const plan = planWith({}, 'setInterval(() => {}, 1_000)')
  const starting = world.bring(plan)
  await until(() => findMarked(world.context().runDir).length === 1, 'it was spawned')
  const { replicas } = await world.reload(plan, at(1))
  expect(replicas).toEqual([{ id: 'web-1', state: 'ready' }])
  await starting
  expect((await ask()).version).toBe(1)
})

test('overlapping: the old process goes on serving when the new one crashes or is never ready, and the next save mends it', async () => {
  const plan = planWith({
    reload: policy({ overlap: true }),
    health: { ...serviceOf('x', '').health!, startupSeconds: 1 },
  })
  await world.bring(plan)
  const { pid } = await ask()
  const crashed = await world.reload(plan, `function price() { throw new TypeError('no such order') }\nprice()`)
  expect(crashed.replicas).toMatchObject([{ id: 'web-1', state: 'failed', isServingOld: true }])
  expect(crashed.replicas[0]!.cause).toContain('no such order')
  expect(crashed.replicas[0]!.evidence!.join('\n')).toContain(`${join(plan.services[0]!.root, 'server.mjs')}:1`)
  const silent = await world.reload(plan, `setInterval(() => {}, 1_000)`)
  expect(silent.replicas).toMatchObject([{ state: 'failed', isServingOld: true, cause: expect.stringContaining('not healthy') }])
  expect(await ask()).toMatchObject({ version: 0, pid })
  expect(await world.runtime.reload!.holdings(plan, 'web', world.context())).toEqual([
    { replica: 'web-1', mark: undefined, sequence: undefined },
  ])
  expect((await world.runtime.reload!.verify(plan, 'web', new Map(), world.context()))[0]!.differing).toHaveLength(1)
  expect(await world.reload(plan, at(3))).toEqual({ replicas: [{ id: 'web-1', state: 'ready' }] })
  expect((await ask()).version).toBe(3)
})

test('overlapping: a service that insists on a port of its own is replaced instead', async () => {
  const insists = (version: number) =>
    `import { createServer as open } from 'node:net'; open().listen(process.env.FIXED ?? 29871); ${at(version)}`
  const plan = planWith({ reload: policy({ overlap: true }) }, insists(0))
  await world.bring(plan)
  expect((await world.reload(plan, insists(1))).replicas).toEqual([{ id: 'web-1', state: 'ready' }])
  expect((await ask()).version).toBe(1)
})

test('a signal is what a service gets that asks for one', async () => {
  const text = `let count = 0; process.on('SIGHUP', () => (count += 1)); ${at(0).replace('version: 0', 'version: count')}`
  const plan = planWith({ reload: policy({ restart: { signal: 'SIGHUP' } }) }, text)
  await world.bring(plan)
  const { pid } = await ask()
  expect((await world.reload(plan, text)).replicas).toEqual([{ id: 'web-1', state: 'ready' }])
  expect(await ask()).toMatchObject({ version: 1, pid })
})

test('removing a run in the middle of a reload leaves nothing of it', async () => {
  const plan = planWith({ reload: policy({ overlap: true }) })
  await world.bring(plan)
  const reloading = world.reload(plan, 'setInterval(() => {}, 1_000)').catch((error: Error & { code?: string }) => error.code)
  await until(() => findMarked(world.context().runDir).length === 2, 'the successor was spawned')
  await world.runtime.remove(plan, { purge: false }, world.context())
  expect(await reloading).toBe('RELOAD_OVERTAKEN')
  expect(findMarked(world.context().runDir)).toEqual([])
  expect(existsSync(join(world.context().runDir, 'processes'))).toBe(false)
})

async function attach(port: number): Promise<{ close(): void }> {
  const socket = new WebSocket(await debuggerUrl(port))
  await new Promise((resolve, reject) => {
    socket.addEventListener('open', resolve)
    socket.addEventListener('error', reject)
  })
  return socket
}

async function debuggerUrl(port: number): Promise<string> {
  const targets = (await (await fetch(`http://127.0.0.1:${port}/json/list`)).json()) as { webSocketDebuggerUrl: string }[]
  return targets[0]!.webSocketDebuggerUrl
}

async function inspectedPid(port: number): Promise<number> {
  return (await evaluate(await debuggerUrl(port), 'process.pid')) as number
}

describe.each([
  ['replaced', policy({ spare: 'node' })],
  ['overlapping', policy({ spare: 'node', overlap: true })],
])('with a spare, %s', (_name, reload) => {
  const language = { ...nodeLanguage, debug: { protocol: 'node-inspector', port: 9229, env: {} } } as typeof nodeLanguage
  const spareOf = () =>
    findMarked(world.context().runDir).find(({ id }) => id.includes('.spare.') && !served.has(id))?.identity.pid
  const served = new Set<string>()

  test('the process that waited is the one that serves the new code, and another waits', async () => {
    const text = (version: number) =>
      at(version).replace('pid: process.pid', 'pid: process.pid, cwd: process.cwd(), mark: process.env.SHIV_PROCESS')
    const plan = planWith({ reload, language }, text(0))
    await world.bring(plan)
    for (let version = 1; version <= 3; version += 1) {
      const waiting = await until(() => spareOf(), 'a spare waits')
      const mark = findMarked(world.context().runDir).find(({ identity }) => identity.pid === waiting)!.id
      expect((await world.reload(plan, text(version))).replicas).toEqual([{ id: 'web-1', state: 'ready' }])
      expect(await ask()).toMatchObject({ version, pid: waiting, cwd: plan.services[0]!.root })
      served.add(mark)
      const { port } = (await world.runtime.read(plan, world.context())).services[0]!.debug!
      await until(async () => (await inspectedPid(port).catch(() => undefined)) === waiting, 'the debugger finds it')
    }
    // What was a spare is taken over as any other process, and its successor is no process of it.
    const [pid] = pidsOf(await world.runtime.read(plan, world.context()), 'web')
    await until(() => spareOf(), 'a spare waits')
    await world.runtime.release('run-1')
    await until(() => findMarked(world.context().runDir).length === 1, 'the spare ended with the daemon')
    const adopted = await world.again().adopt(plan, world.context())
    expect(pidsOf(adopted!, 'web')).toEqual([pid])
    await world.runtime.remove(plan, { purge: false }, world.context())
    expect(findMarked(world.context().runDir)).toEqual([])
    expect(existsSync(join(world.context().runDir, 'spare'))).toBe(false)
  })

  test('a spare has preloaded what it is told to, as long as nothing is installed anew', async () => {
    const text = (version: number) =>
      `import { isSpare } from 'heavy'\n${at(version).replace('pid: process.pid', 'pid: isSpare')}`
    const plan = planWith({ reload: { ...reload, preload: ['heavy'] } }, text(0))
    const modules = join(plan.services[0]!.root, 'node_modules')
    mkdirSync(join(modules, 'heavy'), { recursive: true })
    writeFileSync(join(modules, 'heavy/package.json'), '{"type":"module","exports":"./main.js"}')
    writeFileSync(join(modules, 'heavy/main.js'), 'export const isSpare = process.env.SHIV_SPARE_FIFO !== undefined')
    await world.bring(plan)
    expect(await ask()).toMatchObject({ version: 0, pid: false })
    await until(() => spareOf(), 'a spare waits')
    await world.reload(plan, text(1))
    expect(await ask()).toMatchObject({ version: 1, pid: true })
    for (const { id } of findMarked(world.context().runDir)) if (id.includes('.spare.')) served.add(id)
    await until(() => spareOf(), 'another spare waits')
    writeFileSync(join(modules, '.package-lock.json'), '{}')
    await world.reload(plan, text(2))
    expect(await ask()).toMatchObject({ version: 2, pid: false })
  })

  test('a spare that is gone is not missed', async () => {
    const plan = planWith({ reload })
    await world.bring(plan)
    process.kill(await until(() => spareOf(), 'a spare waits'), 'SIGKILL')
    expect((await world.reload(plan, at(1))).replicas).toEqual([{ id: 'web-1', state: 'ready' }])
    expect((await ask()).version).toBe(1)
  })
})

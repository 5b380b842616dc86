import { spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { appendFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { WireEvent } from '../../src/wire/messages.ts'
import { acquireCluster, testClusterName, whyNoCluster, type TestCluster } from '../support/cluster.ts'
import { until } from '../support/daemon.ts'
import { runFailing } from '../support/failing.ts'
import { openShiv, readRun, shivBin, tinyService, writeTree, type OwnShiv } from '../support/own-shiv.ts'
import { processesOf } from '../support/processes.ts'

let own: OwnShiv
let shop: string
let temp: string

beforeAll(async () => {
  own = await openShiv('recovery')
  shop = join(own.folder, 'shop')
  temp = join(own.folder, 'tmp')
  own.env['TMPDIR'] = temp
  await mkdir(temp, { mode: 0o777 })
})

beforeEach(async () => {
  await rm(shop, { recursive: true, force: true })
  await writeTree(own.folder, Object.fromEntries(Object.entries(tinyService('shop')).map(([path, text]) => [path, text])))
})

afterEach(async () => {
  await own.shiv(['stop', '--purge', '--yes'], { cwd: shop, reject: false })
}, 60_000)

afterAll(() => own.close(), 60_000)

describe('kill -9 of the daemon in the middle of a start', () => {
  const points = [
    { during: 'its build', step: /^shop: npm run build/ },
    { during: 'the start of its database', step: /^database db/ },
    { during: 'the start of the service', step: /^start shop/ },
  ]
  for (const { during, step } of points) {
    it(`during ${during}: status tells the truth, one start mends it, stop leaves nothing`, async () => {
      await withDatabaseAndBuild()
      const starting = startUntil(step)
      await starting.reached
      process.kill(await daemonPid(), 'SIGKILL')
      starting.kill('SIGKILL')
      await starting.ended

      const { state, error } = await readRun(own, shop)
      // What was begun lives on: a service that got ready meanwhile, with all it needs, does run.
      if (state === 'running') await expectWhole()
      else expect([['failed', 'degraded'].includes(state), error?.hint]).toEqual([true, expect.stringContaining('shiv start')])

      await start()
      await expectWhole()
      await own.shiv(['stop'], { cwd: shop })
      expect(processesOf(own.folder)).toEqual([])
    }, 60_000)
  }
})

it('kill -9 of the daemon alone in the middle of a start: the caller has it completed by the next daemon', async () => {
  await withDatabaseAndBuild()
  const starting = startUntil(/^database db/)
  await starting.reached
  process.kill(await daemonPid(), 'SIGKILL')
  expect(await starting.ended).toEqual({ exit: 0, stderr: '' })
  await expectWhole()
}, 60_000)

describe('kill -9 in the middle of a run', () => {
  it('of the daemon: the run is what it was, to the process', async () => {
    await withDatabaseAndBuild()
    await start()
    const before = processesOf(own.folder).map(({ pid }) => pid)
    process.kill(await daemonPid(), 'SIGKILL')
    await expectWhole()
    await start()
    const leaders = (await readRun(own, shop)).services[0]!.replicas.map(({ pid }) => pid!)
    expect(before).toEqual(expect.arrayContaining(leaders))
    await expectWhole()
  }, 60_000)

  it('of the daemon, of a run with a secret that was only exported: the run is what it was, to the process', async () => {
    await appendFile(join(shop, 'service.yaml'), 'env: { STRIPE: { secret: stripe } }\n')
    await own.shiv(['start', '--runtime', 'process'], { cwd: shop, env: { ...own.env, STRIPE: 'sk_1' } })
    const before = (await readRun(own, shop)).services[0]!.replicas
    process.kill(await daemonPid(), 'SIGKILL')
    const { state, error, services } = await readRun(own, shop)
    expect([state, error]).toEqual(['running', undefined])
    expect(services[0]!.replicas.map(({ pid }) => pid)).toEqual(before.map(({ pid }) => pid))
  }, 60_000)

  it('of the daemon and of everything: status says that nothing lives, start brings it back', async () => {
    await start()
    const { pid } = (await readRun(own, shop)).services[0]!.replicas[0]!
    process.kill(await daemonPid(), 'SIGKILL')
    process.kill(pid!, 'SIGKILL')
    const { state, error } = await readRun(own, shop)
    expect([state, error?.code]).toEqual(['failed', 'RUN_LOST'])
    await start()
    expect((await readRun(own, shop)).state).toBe('running')
    expect(servers()).toHaveLength(1)
  }, 60_000)

  it('of the daemon and of the service: the next command sees it and brings it back', async () => {
    await withDatabaseAndBuild()
    await start()
    const { pid } = (await readRun(own, shop)).services[0]!.replicas[0]!
    process.kill(await daemonPid(), 'SIGKILL')
    process.kill(pid!, 'SIGKILL')
    await until(async () => (await readRun(own, shop)).services[0]!.replicas[0]!.state === 'ready', 20_000)
    expect((await readRun(own, shop)).services[0]!.replicas[0]!.pid).not.toBe(pid)
    expect(servers()).toHaveLength(1)
  }, 60_000)
})

describe('the caller goes away in the middle of a start', () => {
  for (const [signal, exit] of [
    ['SIGINT', 130],
    ['SIGTERM', 130],
    ['SIGKILL', null],
  ] as const) {
    it(`by ${signal}: the next start completes it, nothing is started twice`, async () => {
      await withDatabaseAndBuild()
      const starting = startUntil(/^start shop|^database db/)
      await starting.reached
      starting.kill(signal)
      const ended = await starting.ended
      expect(ended.exit).toBe(exit)
      if (exit === 130) expect(ended.stderr).toMatch(/"code":"INTERRUPTED".*"exit":130,"hint":"shiv start goes on from here"/)
      await start()
      await expectWhole()
      await own.shiv(['stop'], { cwd: shop })
      expect(processesOf(own.folder)).toEqual([])
    }, 60_000)
  }
})

describe('two callers at once', () => {
  it('start and start: the second says who works, both end well, one process runs', async () => {
    const first = startUntil(/^start shop/, ['start', '--runtime', 'process'])
    await first.reached
    const second = await own.shiv(['start', '--runtime', 'process'], { cwd: shop })
    expect(second).toMatch(new RegExp(`waiting.*shiv start.*${first.pid}`, 'i'))
    expect((await first.ended).exit).toBe(0)
    expect(servers()).toHaveLength(1)
  }, 60_000)

  it('start and stop: stop waits for it and then takes it away', async () => {
    await withDatabaseAndBuild()
    const first = startUntil(/^shop: npm run build/)
    await first.reached
    const output = await own.shiv(['stop'], { cwd: shop })
    expect(output).toMatch(new RegExp(`waiting.*shiv start.*${first.pid}`, 'i'))
    expect((await first.ended).exit).toBe(0)
    expect((await readRun(own, shop)).state).toBe('stopped')
    expect(processesOf(own.folder)).toEqual([])
  }, 60_000)

  it('six at once from nothing: one daemon, one process', async () => {
    await own.shiv(['daemon', 'stop'])
    await Promise.all(Array.from({ length: 6 }, () => start()))
    expect(servers()).toHaveLength(1)
    expect((await readRun(own, shop)).state).toBe('running')
  }, 60_000)
})

describe('stop', () => {
  it('leaves no process, port or temporary file, and a second one finds nothing to do', async () => {
    await withDatabaseAndBuild()
    await start()
    const { url, directUrl, debug, replicas } = (await readRun(own, shop)).services[0]!
    const { port: database } = (await readRun(own, shop)).databases[0]!
    const file = JSON.parse(await readFile(join(own.home, 'ports.json'), 'utf8')) as { processes: Record<string, number> }
    const ports = [new URL(url!).port, new URL(directUrl!).port, debug!.port, database, ...Object.values(file.processes)].map(
      Number,
    )
    expect(replicas).toHaveLength(1)
    const open = await Promise.all(ports.map(isOpen))
    expect(open.filter(Boolean).length).toBeGreaterThanOrEqual(4)
    await own.shiv(['stop'], { cwd: shop })
    expect(processesOf(own.folder)).toEqual([])
    expect(ports.filter((_, index) => open[index]).length).toBeGreaterThan(0)
    expect((await Promise.all(ports.map(isOpen))).filter(Boolean)).toEqual([])
    expect(await own.shiv(['stop'], { cwd: shop })).toBe('nothing was stopped')
    await own.shiv(['stop', '--purge', '--yes'], { cwd: shop })
    await own.shiv(['daemon', 'stop'])
    expect(readdirSync(temp).filter((name) => !/^(node-compile-cache|v8-compile-cache)/.test(name))).toEqual([])
    expect(readdirSync(own.home).sort()).toEqual(['daemon.log', 'front-door.json', 'ports.json', 'prepared', 'runs'])
    expect(readdirSync(join(own.home, 'runs'))).toEqual([])
  }, 60_000)

  it('ends a service that ignores TERM, with a child that left its group', async () => {
    await writeFile(
      join(shop, 'server.js'),
      `import { createServer } from 'node:http'
import { spawn } from 'node:child_process'
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, () => {})
spawn(process.execPath, ['-e', 'process.on("SIGTERM", () => {}); setInterval(() => {}, 1e6)'], { detached: true, stdio: 'ignore' }).unref()
createServer((_, response) => response.end('ok')).listen(process.env.PORT)
`,
    )
    await start()
    expect(processesOf(own.folder)).toHaveLength(2)
    await own.shiv(['stop'], { cwd: shop })
    expect(processesOf(own.folder)).toEqual([])
  }, 90_000)
})

describe('a service that crashes', () => {
  it('at once: the start fails with its last lines, and nothing goes on in the background', async () => {
    await writeFile(
      join(shop, 'server.js'),
      "for (let line = 1; line <= 100; line += 1) console.log('line ' + line)\nthrow new Error('no such table: orders')\n",
    )
    const { exit, code, stderr } = await runFailing(own, ['start', '--runtime', 'process'], { cwd: shop })
    expect([exit, code]).toEqual([1, 'PROCESS_CRASHED'])
    expect(stderr).toMatch(/^error\[PROCESS_CRASHED\]: shop-1 exited with code 1: Error: no such table: orders$/m)
    expect(stderr).toContain("throw new Error('no such table: orders')")
    expect(stderr).not.toContain('line 50\n')
    expect(stderr).toContain('hint: see all of it: shiv logs shop')
    expect(processesOf(own.folder)).toEqual([])
    expect(await own.shiv(['logs', 'shop'], { cwd: shop })).toContain('line 50')
    const { state, error } = await readRun(own, shop)
    expect([state, error?.code]).toEqual(['failed', 'PROCESS_CRASHED'])
  }, 60_000)

  it('again and again after it was ready: status says so, with the cause, and an edit and a start mend it', async () => {
    const good = await readFile(join(shop, 'server.js'), 'utf8')
    await appendFile(join(shop, 'server.js'), "setTimeout(() => { console.error('out of luck'); process.exit(3) }, 1500)\n")
    await start()
    await until(async () => {
      const { state, services } = await readRun(own, shop)
      const { restarts, cause = '' } = services[0]!.replicas[0]!
      return state === 'degraded' && restarts >= 2 && cause.includes('exited with code 3')
    }, 30_000)
    await writeFile(join(shop, 'server.js'), good)
    await own.shiv(['restart', 'shop'], { cwd: shop })
    await until(async () => (await readRun(own, shop)).state === 'running')
    expect(servers()).toHaveLength(1)
  }, 90_000)
})

const why = whyNoCluster()
if (why !== undefined) console.log(`test/e2e/recovery: the pass on a cluster is skipped: ${why}`)

describe.skipIf(why)('on a cluster', () => {
  let cluster: TestCluster
  beforeAll(async () => {
    cluster = await acquireCluster()
  }, 300_000)
  afterAll(() => cluster.release())

  it('kill -9 of the daemon in the middle of a start, then status, start and stop', async () => {
    await writeFile(join(shop, 'shiv.yaml'), `name: recovery\ncluster: { name: ${testClusterName()} }\n`)
    const starting = startUntil(/^start shop|^roll out|^deploy|^image|^build/i, ['start', '--runtime', 'kind', '--json'])
    await starting.reached
    process.kill(await daemonPid(), 'SIGKILL')
    // The caller asks the next daemon once; what it cannot finish is told, and the state with it.
    const { exit, stderr } = await starting.ended
    if (exit === 0) expect((await readRun(own, shop)).state).toBe('running')
    else expect([exit, stderr, (await readRun(own, shop)).state]).toEqual([1, expect.stringContaining('hint'), 'failed'])
    await own.shiv(['start', '--runtime', 'kind'], { cwd: shop })
    const { services, state } = await readRun(own, shop)
    expect([state, services[0]!.replicas.map((replica) => replica.state)]).toEqual(['running', ['ready']])
    expect((await fetch(services[0]!.directUrl!)).status).toBe(200)
    const pods = () => cluster.kubectl('-n', 'shiv-recovery', 'get', 'pods', '-o', 'name').split('\n').filter(Boolean)
    expect(pods()).toHaveLength(1)
    await own.shiv(['stop'], { cwd: shop })
    expect(pods()).toEqual([])
  }, 240_000)
})

/** Postgres, and a build that takes a moment. */
async function withDatabaseAndBuild(): Promise<void> {
  await appendFile(join(shop, 'service.yaml'), 'databases: [ {postgres: db} ]\n')
  const scripts = { build: 'node -e "setTimeout(() => {}, 700)"' }
  await writeFile(
    join(shop, 'package.json'),
    JSON.stringify({ name: 'shop', version: '1.0.0', private: true, type: 'module', scripts }),
  )
}

const start = () => own.shiv(['start', '--runtime', 'process'], { cwd: shop })

/** A start that is watched by its events: `reached` when a step of that name begins. */
function startUntil(step: RegExp, words = ['start', '--runtime', 'process', '--json']) {
  const asksForJson = words.includes('--json')
  const child = spawn(process.execPath, [shivBin, ...words], {
    cwd: shop,
    env: { ...process.env, ...own.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let stdout = ''
  let stderr = ''
  const hasReached = () =>
    stdout
      .split('\n')
      .slice(0, -1)
      .some((line) => {
        if (!asksForJson) return line.includes('Choose the runtime')
        const event = JSON.parse(line) as WireEvent
        return event.kind === 'step' && event.step.state === 'running' && step.test(event.step.name)
      })
  const reached = new Promise<void>((resolve, reject) => {
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text
      if (hasReached()) resolve()
    })
    child.once('close', () => reject(new Error(`it ended before ${step}: ${stdout}\n${stderr}`)))
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  const ended = new Promise<{ exit: number | null; stderr: string }>((resolve) =>
    child.once('close', (exit) => resolve({ exit, stderr })),
  )
  return { pid: child.pid!, reached, ended, kill: (signal: NodeJS.Signals) => child.kill(signal) }
}

/** One healthy service process, one database server, and an answer. */
async function expectWhole(): Promise<void> {
  const { state, services, databases } = await readRun(own, shop)
  expect(state).toBe('running')
  expect(services[0]!.replicas.map((replica) => replica.state)).toEqual(['ready'])
  expect(databases.map((database) => database.state)).toEqual(['ready'])
  expect((await fetch(services[0]!.directUrl!)).status).toBe(200)
  expect(servers()).toHaveLength(1)
  expect(processesOf(own.folder).filter(({ args }) => /postgres .*-D|bin\/postgres /.test(args))).toHaveLength(1)
}

/** Processes that serve: of those that wait for a reload none has had its turn, as nothing is edited here. */
function servers() {
  return processesOf(own.folder).filter(({ args, isSpare }) => args.endsWith('server.js') && !isSpare)
}

async function daemonPid(): Promise<number> {
  const text = await readFile(join(own.home, 'daemon.lock'), 'utf8')
  return (JSON.parse(text) as { pid: number }).pid
}

function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

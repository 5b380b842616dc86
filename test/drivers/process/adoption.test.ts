import { spawn, type ChildProcess } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import type { Plan } from '../../../src/plan/types.ts'
import { databaseField, databaseOf, envOf, planOf, postgresPreset, serviceOf } from '../../contract/plans.ts'
import { ask, bundle, createWorld, ECHO, lives, pidsOf, until, type World } from './world.ts'

/** A process of its own that brings a Plan to life and stays, as the daemon does; it is there to be killed. */
const DAEMON = `
import { createProcessRuntime } from '../../../src/drivers/process/runtime.ts'
const { home, plan, runId, runDir, secrets } = JSON.parse(process.env.DAEMON)
const context = {
  runId, runDir, signal: new AbortController().signal, secretValue: (variable) => secrets?.[variable], environment: process.env,
  step: (_name, work) => work({ progress() {}, note() {} }), emit() {},
}
setInterval(() => {}, 1_000)
console.log('begun')
await createProcessRuntime({ home }).reconcile(plan, context)
console.log('up')
`

let world: World
let daemon: Awaited<ReturnType<typeof bundle>>
let running: ChildProcess | undefined

beforeAll(async () => {
  daemon = await bundle(DAEMON, 'daemon')
})
afterAll(() => daemon.remove())
beforeEach(() => {
  world = createWorld()
})
afterEach(async () => {
  running?.kill('SIGKILL')
  await world.end()
})

function startDaemon(
  plan: Plan,
  secrets: Record<string, string> = {},
): { says(word: string): Promise<void>; kill(): Promise<void> } {
  const { runId, runDir } = world.context()
  const env = { ...process.env, DAEMON: JSON.stringify({ home: world.home, plan, runId, runDir, secrets }) }
  const child = spawn(process.execPath, [daemon.file], { env, stdio: ['ignore', 'pipe', 'inherit'] })
  running = child
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  return {
    says: async (word) => void (await until(() => output.includes(word), `the daemon says ${word}`)),
    kill: async () => {
      const gone = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGKILL')
      await gone
    },
  }
}

function webWithDatabase(text = ECHO): Plan {
  const web = serviceOf('web', world.service('web', text), {
    replicas: { min: 2, max: 2 },
    databases: ['main-db'],
    env: [envOf('DATABASE_URL', databaseField('main-db', 'url'))],
  })
  return planOf(world.home, { services: [web], databases: [databaseOf(postgresPreset, 'main-db', ['web'])] })
}

test('after a kill -9 of the daemon everything lives on, writes its logs, and is taken over as it is', async () => {
  const plan = webWithDatabase(ECHO.replace("console.log('listening')", "setInterval(() => console.log('tick'), 20)"))
  const first = startDaemon(plan)
  await first.says('up')
  const before = await world.runtime.read(plan, world.context())
  await first.kill()
  const log = join(world.context().runDir, 'logs', 'web.1.stdout.log')
  const written = readFileSync(log).length
  await until(() => readFileSync(log).length > written, 'the log grows without a daemon')

  const adopted = await world.again().adopt(plan, world.context())
  expect(adopted!.services[0]!.replicas.map(({ state }) => state)).toEqual(['ready', 'ready'])
  expect(pidsOf(adopted!, 'web').toSorted()).toEqual(pidsOf(before, 'web').toSorted())
  expect(adopted!.databases).toEqual([expect.objectContaining({ state: 'ready', version: expect.stringMatching(/^15\./) })])
  expect(world.events).toContainEqual(
    expect.objectContaining({
      kind: 'endpoints',
      service: 'web',
      endpoints: expect.arrayContaining([{ host: '127.0.0.1', port: expect.any(Number) }]),
    }),
  )
  // And the next start changes nothing.
  expect(pidsOf(await world.runtime.reconcile(plan, world.context()), 'web').toSorted()).toEqual(pidsOf(before, 'web').toSorted())
})

test('what is adopted is watched: a crash afterwards is seen and mended', async () => {
  const plan = planOf(world.home, { services: [serviceOf('web', world.service('web', ECHO))] })
  const first = startDaemon(plan)
  await first.says('up')
  await first.kill()
  const adopted = await world.again().adopt(plan, world.context())
  const [pid] = pidsOf(adopted!, 'web')
  process.kill(pid!, 'SIGKILL')
  await until(async () => {
    const [replica] = (await world.runtime.read(plan, world.context())).services[0]!.replicas
    return replica!.state === 'ready' && replica!.pid !== pid
  }, 'it is started again')
})

test('what died while nobody watched is started again, under the same name', async () => {
  const plan = webWithDatabase()
  const first = startDaemon(plan)
  await first.says('up')
  const before = await world.runtime.read(plan, world.context())
  await first.kill()
  const [dead, alive] = pidsOf(before, 'web')
  process.kill(dead!, 'SIGKILL')
  await until(() => !lives(dead!), 'it is dead')
  await world.again().adopt(plan, world.context())
  const after = await until(async () => {
    const state = await world.runtime.read(plan, world.context())
    return state.services[0]!.replicas.every((replica) => replica.state === 'ready') && state
  }, 'both are ready')
  expect(pidsOf(after, 'web')).toContain(alive)
  expect(pidsOf(after, 'web')).not.toContain(dead)
})

test('what lives with a secret is taken over without it; what died waits for a start that brings it', async () => {
  const env = [{ name: 'STRIPE', source: { kind: 'secret' as const, secret: 'stripe', key: 'stripe' } }]
  const services = ['web', 'mail'].map((name) => serviceOf(name, world.service(name, ECHO), { env }))
  const plan = planOf(world.home, { services })
  const first = startDaemon(plan, { STRIPE: 'sk_1' })
  await first.says('up')
  const before = await world.runtime.read(plan, world.context())
  await first.kill()
  const [dead] = pidsOf(before, 'mail')
  process.kill(dead!, 'SIGKILL')
  await until(() => !lives(dead!), 'it is dead')

  const adopted = await world.again().adopt(plan, world.context())
  expect(adopted!.services[0]!.replicas).toEqual([expect.objectContaining({ state: 'ready', pid: pidsOf(before, 'web')[0] })])
  const mail = await until(async () => {
    const [replica] = (await world.runtime.read(plan, world.context())).services[1]!.replicas
    return replica?.cause?.includes('STRIPE') ? replica : undefined
  }, 'it says what it lacks')
  expect(mail).toMatchObject({ state: 'crashed', cause: expect.stringMatching(/env\.STRIPE.*shiv start/) })

  // Stopping the other one needs no value either.
  const rest = { ...plan, services: [plan.services[0]!] }
  expect(pidsOf(await world.runtime.reconcile(rest, world.context()), 'web')).toEqual(pidsOf(before, 'web'))

  const started = await world.runtime.reconcile(plan, world.context({ secrets: { STRIPE: 'sk_1' } }))
  expect(pidsOf(started, 'web')).toEqual(pidsOf(before, 'web'))
  expect((await ask(started, 'mail')).env['STRIPE']).toBe('sk_1')
})

test('a pid that belongs to somebody else by now is not taken for ours', async () => {
  const plan = planOf(world.home, { services: [serviceOf('web', world.service('web', ECHO))] })
  const first = startDaemon(plan)
  await first.says('up')
  const [pid] = pidsOf(await world.runtime.read(plan, world.context()), 'web')
  await first.kill()
  process.kill(pid!, 'SIGKILL')
  await until(() => !lives(pid!), 'it is dead')
  const record = join(world.context().runDir, 'processes', 'web.1.json')
  const { writeFileSync } = await import('node:fs')
  const kept = JSON.parse(readFileSync(record, 'utf8')) as { identity: { pid: number } }
  // As after a wrap of the pids: the number is that of this test.
  writeFileSync(record, JSON.stringify({ ...kept, identity: { ...kept.identity, pid: process.pid } }))
  expect(await world.again().adopt(plan, world.context())).toBeUndefined()
  const state = await world.runtime.reconcile(plan, world.context())
  expect(pidsOf(state, 'web')[0]).not.toBe(process.pid)
  expect((await ask(state, 'web')).pid).toBe(pidsOf(state, 'web')[0])
})

test('killed at any moment of a start, the next start completes it and nothing runs twice', async () => {
  const plan = webWithDatabase(
    `await new Promise((resolve) => setTimeout(resolve, 300))\n${ECHO}`.replace(/^(await .*)\n\n(import .*)\n/, '$2\n$1\n'),
  )
  for (const pause of [30, 150, 400, 800, 1_200]) {
    const doomed = startDaemon(plan)
    await doomed.says('begun')
    await new Promise((resolve) => setTimeout(resolve, pause))
    await doomed.kill()
  }
  const state = await world.again().reconcile(plan, world.context())
  expect(state.services[0]!.replicas.map((replica) => replica.state)).toEqual(['ready', 'ready'])
  expect(state.databases[0]!.state).toBe('ready')
  const { findMarked } = await import('../../../src/drivers/process/sweep.ts')
  const ids = findMarked(world.context().runDir).map(({ id }) => id)
  expect(ids.filter((id) => id.startsWith('web')).toSorted()).toEqual(['web.1', 'web.2'])
  await world.runtime.remove(plan, { purge: false }, world.context())
  expect(findMarked(world.context().runDir)).toEqual([])
})

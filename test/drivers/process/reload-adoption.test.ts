import { spawn } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { planOf, serviceOf } from '../../contract/plans.ts'
import { webAt } from '../../contract/reload.ts'
import { createProcessRuntime } from '../../../src/drivers/process/runtime.ts'
import { findMarked } from '../../../src/drivers/process/sweep.ts'
import { policy } from './reload-world.ts'
import { bundle, createWorld, until, type World } from './world.ts'

/** Brings a Plan to life and then reloads it for as long as it lives, each time with another version; it is there to be killed. */
const DAEMON = `
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createProcessRuntime } from '../../../src/drivers/process/runtime.ts'
import { webAt } from '../../contract/reload.ts'
const { home, plan, runId, runDir, from } = JSON.parse(process.env.DAEMON)
const context = {
  runId, runDir, signal: new AbortController().signal, secretValue: () => undefined, environment: process.env,
  step: (_name, work) => work({ progress() {}, note() {} }), emit() {},
}
const runtime = createProcessRuntime({ home })
await runtime.reconcile(plan, context)
console.log('up')
for (let sequence = from; ; sequence += 1) {
  writeFileSync(join(plan.services[0].root, 'server.mjs'), webAt('version ' + sequence))
  await runtime.reload.apply(plan, {
    service: plan.services[0], sequence, overlay: new Map(), mark: 'mark ' + sequence, restart: 'process',
    hold: async () => () => {}, passed() {}, signal: context.signal,
  }, context)
}
`

let world: World
let daemon: Awaited<ReturnType<typeof bundle>>
beforeAll(async () => {
  daemon = await bundle(DAEMON, 'reloading')
})
afterAll(() => daemon.remove())
beforeEach(() => {
  world = createWorld()
})
afterEach(() => world.end())

test.each([true, false])(
  'killed at any moment of a reload, one whole set is taken over, and nothing else lives (overlapping: %s)',
  { timeout: 120_000 },
  async (overlap) => {
    const root = world.service('web', webAt('version 0'))
    const web = serviceOf('web', root, { replicas: { min: 2, max: 2 }, reload: policy({ overlap }) })
    const plan = planOf(world.home, { services: [web] })
    const { runId, runDir } = world.context()
    let from = 1
    for (const pause of [15, 60, 110, 170, 240]) {
      const env = { ...process.env, DAEMON: JSON.stringify({ home: world.home, plan, runId, runDir, from }) }
      const child = spawn(process.execPath, [daemon.file], { env, stdio: ['ignore', 'pipe', 'inherit'] })
      await new Promise((resolve) => child.stdout.once('data', resolve))
      await new Promise((resolve) => setTimeout(resolve, pause))
      const gone = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGKILL')
      await gone
      from += 100

      const adopted = await world.again().adopt(plan, world.context())
      expect(adopted).toBeDefined()
      const live = await until(async () => {
        const state = await world.runtime.read(plan, world.context())
        return state.services[0]!.replicas.every(({ state }) => state === 'ready') && state
      }, 'every replica is ready')
      expect(live.services[0]!.replicas.map(({ id }) => id).toSorted()).toEqual(['web-1', 'web-2'])
      expect(findMarked(runDir).length).toBe(2)
      const holdings = await world.runtime.reload!.holdings(plan, 'web', world.context())
      expect(new Set(holdings.map(({ sequence }) => sequence)).size).toBe(1)

      writeFileSync(join(root, 'server.mjs'), webAt('mended'))
      const order = { service: web, sequence: from - 1, overlay: new Map(), mark: 'mended', restart: 'process' as const }
      const signal = new AbortController().signal
      const tools = { hold: async () => () => {}, passed: () => undefined, signal }
      const { replicas } = await world.runtime.reload!.apply(plan, { ...order, ...tools }, world.context())
      expect(replicas.map(({ state }) => state)).toEqual(['ready', 'ready'])
      await world.runtime.release(runId)
    }
  },
)

test.skipIf(process.platform !== 'linux')(
  'a signal for a process that just ended hurts nobody: it is started anew with the files as they are',
  async () => {
    const reload = policy({ restart: { signal: 'SIGHUP' } })
    const root = world.service('web', webAt('first'))
    const plan = planOf(world.home, { services: [serviceOf('web', root, { reload })] })
    await world.runtime.reconcile(plan, world.context())
    await world.runtime.release(world.context().runId)
    const next = createProcessRuntime({ home: world.home })
    await next.adopt(plan, world.context())
    const { pid } = findMarked(world.context().runDir)[0]!.identity
    process.kill(pid, 'SIGKILL')
    // Nobody was told yet that it is gone: who adopted it looks now and then.
    while (existsSync(`/proc/${pid}`)) await new Promise(setImmediate)
    writeFileSync(join(root, 'server.mjs'), webAt('second'))
    const outcome = await next.reload!.apply(
      plan,
      {
        service: plan.services[0]!,
        sequence: 1,
        overlay: new Map(),
        mark: 'second',
        restart: { signal: 'SIGHUP' },
        hold: async () => () => {},
        passed: () => {},
        signal: new AbortController().signal,
      },
      world.context(),
    )
    expect(outcome.replicas).toEqual([{ id: 'web-1', state: 'ready' }])
    await next.remove(plan, { purge: true }, world.context())
  },
)

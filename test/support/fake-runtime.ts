import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ShivError } from '../../src/core/errors.ts'
import type { LiveState, LogLine, Probe, RunContext, Runtime } from '../../src/engine/ports.ts'
import type { Plan, RuntimeName } from '../../src/plan/types.ts'

export interface FakeRuntime extends Runtime {
  /** What was asked, as `method service,service`. */
  asked: string[]
  /** Those it was to make real, in order. */
  plans: Plan[]
  released: string[]
  available: boolean
  /** Thrown by the next reconcile after it made half of the world. */
  failure: Error | undefined
  /** Reconcile waits for it, or for its signal. */
  gate: Promise<void> | undefined
  /** Called before a Plan is made real. */
  onReconcile: (() => void) | undefined
  lines: LogLine[]
  lastContext: RunContext | undefined
}

/** A world of one file in the run's folder: it outlives the runtime object, as the real ones outlive a daemon. */
export function createFakeRuntime(name: RuntimeName = 'process'): FakeRuntime {
  const file = (context: RunContext): string => join(context.runDir, 'world.json')
  const note = (method: string, plan: Plan): number =>
    fake.asked.push(`${method} ${plan.services.map((one) => one.name).join(',')}`)
  const live = (plan: Plan): LiveState => ({
    services: plan.services.map((service, index) => ({
      name: service.name,
      kind: service.kind,
      desired: 1,
      replicas: [{ id: `${service.name}-1`, state: 'ready', restarts: 0, since: 1 }],
      endpoints: Object.fromEntries(service.ports.map((port) => [port.name, [{ host: '127.0.0.1', port: 40_000 + index }]])),
    })),
    databases: [],
    cron: [],
  })
  const fake: FakeRuntime = {
    name,
    asked: [],
    plans: [],
    released: [],
    available: true,
    failure: undefined,
    gate: undefined,
    onReconcile: undefined,
    lines: [],
    lastContext: undefined,
    async probe(): Promise<Probe> {
      if (fake.available) return { available: true, detail: `${name} is there` }
      return { available: false, code: 'FAKE_MISSING', reason: `${name} is missing.`, hint: 'install it' }
    },
    async reconcile(plan, context) {
      note('reconcile', plan)
      fake.onReconcile?.()
      fake.plans.push(plan)
      fake.lastContext = context
      mkdirSync(context.runDir, { recursive: true })
      await context.step('make the world', async (step) => {
        step.progress('half')
        if (fake.gate) await Promise.race([fake.gate, aborted(context.signal)])
        context.signal.throwIfAborted()
        writeFileSync(file(context), JSON.stringify(live(plan)))
        if (fake.failure) throw fake.failure
      })
      return live(plan)
    },
    async adopt(plan, context) {
      note('adopt', plan)
      fake.lastContext = context
      return existsSync(file(context)) ? live(plan) : undefined
    },
    async read(_plan, context) {
      return JSON.parse(readFileSync(file(context), 'utf8')) as LiveState
    },
    async readings(_plan, targets) {
      return targets.map((target) => ({ actual: target.expect }))
    },
    async *logs() {
      yield* fake.lines
    },
    async exec(_plan, service, argv) {
      return { code: 3, stdout: `${service}: ${argv.join(' ')}`, stderr: '' }
    },
    async restart(_plan, service) {
      fake.asked.push(`restart ${service}`)
    },
    async remove(plan, { purge }, context) {
      note(purge ? 'purge' : 'remove', plan)
      rmSync(file(context), { force: true })
    },
    async release(runId) {
      fake.released.push(runId)
    },
  }
  return fake
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}

export const crash = (): ShivError => new ShivError('orders ended at once.', { code: 'PROCESS_EXITED', hint: 'shiv logs orders' })

import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ShivError } from '../../src/core/errors.ts'
import type { LiveState, LogLine, RunContext, RunEvent, Runtime } from '../../src/engine/ports.ts'
import type { Plan } from '../../src/plan/types.ts'

/**
 * The service `web` of the contract's Plans, as the text of an ES module: answers `/healthz`, tells its GREETING on `/`, and writes
 * a JSON line for every request.
 */
export const WEB_SOURCE = `
import { createServer } from 'node:http'
const say = (msg, more) => console.log(JSON.stringify({ level: 'info', time: new Date().toISOString(), msg, ...more }))
const server = createServer((request, response) => {
  if (request.url !== '/healthz') say('request', { path: request.url })
  response.setHeader('connection', 'close')
  response.end(JSON.stringify({ greeting: process.env.GREETING, database: Boolean(process.env.DATABASE_URL) }))
})
server.listen(Number(process.env.PORT), () => say('listening'))
process.on('SIGTERM', () => server.close(() => process.exit(0)))
`

/** The service `web` of the Plan `crashing`. */
export const CRASHING_SOURCE = `
console.error('Error: the contract wants this crash')
process.exit(7)
`

/**
 * - `web`: the service `web` (WEB_SOURCE, two replicas, port `http`, env GREETING=hello and DATABASE_URL) and the postgres `main-db`
 * - `changed`: the same with GREETING=changed
 * - `crashing`: the service `web` runs CRASHING_SOURCE, no database
 */
export type ContractPlan = 'web' | 'changed' | 'crashing'

/** How a runtime comes to the contract. */
export interface RuntimeHarness {
  /** Why this machine cannot run it; the suite is then skipped with that line. */
  unavailable: string | undefined
  /** A runtime as a new daemon would make it; it shares nothing in memory with those made before. */
  create(): Runtime
  plan(which: ContractPlan): Promise<Plan>
  /** A context of a run of the harness's own; `events` gathers what is emitted. */
  context(run: string, options?: { signal?: AbortSignal; events?: RunEvent[] }): RunContext
  /** Removes whatever the suite left. */
  dispose(): Promise<void>
}

/** The suite that every Runtime passes, in the terms of `ports.ts` alone. */
export function runtimeContract(name: string, harness: RuntimeHarness): void {
  const title =
    harness.unavailable === undefined ? `${name} is a Runtime` : `${name} is a Runtime (skipped: ${harness.unavailable})`
  describe.skipIf(harness.unavailable !== undefined)(title, () => {
    let runtime: Runtime
    let plan: Plan
    let state: LiveState
    const events: RunEvent[] = []
    const context = (signal?: AbortSignal) => harness.context('contract', { events, ...(signal && { signal }) })

    beforeAll(async () => {
      runtime = harness.create()
      plan = await harness.plan('web')
      state = await runtime.reconcile(plan, context())
    }, 300_000)
    afterAll(async () => {
      await runtime.remove(plan, { purge: true }, context())
      await harness.dispose()
    }, 120_000)

    test('says that it is available where its suite runs', async () => {
      expect(await runtime.probe()).toMatchObject({ available: true })
    })

    test('has brought everything to where it answers when reconcile returns', async () => {
      const web = serviceIn(state)
      expect(web.desired).toBe(2)
      expect(web.replicas.map((replica) => replica.state)).toEqual(['ready', 'ready'])
      expect(await ask(state)).toEqual({ greeting: 'hello', database: true })
      expect(state.databases).toMatchObject([{ name: 'main-db', type: 'postgres', state: 'ready' }])
    })

    test('told of every replica and where requests go', () => {
      const ready = events.filter((event) => event.kind === 'health' && event.service === 'web' && event.state === 'ready')
      expect(ready.length).toBeGreaterThanOrEqual(2)
      const endpoints = events.findLast((event) => event.kind === 'endpoints' && event.service === 'web')
      expect(endpoints).toMatchObject({ endpoints: serviceIn(state).endpoints['http'] })
    })

    test('changes nothing when the world is the Plan already', async () => {
      const again = await runtime.reconcile(plan, context())
      expect(identities(again)).toEqual(identities(state))
    })

    test('reads the same world', async () => {
      const read = await runtime.read(plan, context())
      expect(identities(read)).toEqual(identities(state))
      expect(serviceIn(read).endpoints).toEqual(serviceIn(state).endpoints)
    })

    test('gives the log of a service, with fields, its tail, and only of those that were asked for', async () => {
      await ask(state, '/for-the-log')
      await eventually(async () => {
        const lines = await gather(runtime.logs(plan, { sources: ['web'], follow: false }, context()))
        expect(lines.map(({ fields }) => fields?.['path'])).toContain('/for-the-log')
        expect(new Set(lines.map(({ source }) => source))).toEqual(new Set(['web']))
        expect(lines.map(({ time }) => time)).toEqual(lines.map(({ time }) => time).toSorted((a, b) => a - b))
      })
      expect(await gather(runtime.logs(plan, { sources: ['web'], follow: false, tail: 1 }, context()))).toHaveLength(1)
      const all = await gather(runtime.logs(plan, { sources: [], follow: false }, context()))
      expect(all.map(({ source }) => source)).toContain('main-db')
      const since = Date.now() + 3_600_000
      expect(await gather(runtime.logs(plan, { sources: [], follow: false, since }, context()))).toEqual([])
    })

    test('follows a log until it is told to stop', async () => {
      const ending = new AbortController()
      const seen: LogLine[] = []
      const following = (async () => {
        for await (const line of runtime.logs(plan, { sources: ['web'], follow: true, tail: 0 }, context(ending.signal))) {
          seen.push(line)
          if (line.fields?.['path'] === '/followed') ending.abort()
        }
      })()
      const asking = (async () => {
        // A follower may need a moment to be there: it is asked for again until it was seen.
        while (!ending.signal.aborted) {
          await ask(state, '/followed')
          await sleep(100)
        }
      })()
      await Promise.all([following, asking])
      expect(seen.at(-1)?.fields).toMatchObject({ path: '/followed' })
    })

    test('runs a command with the environment of the service and gives its exit code', async () => {
      const argv = ['node', '-e', 'process.stdout.write(process.env.GREETING); process.stderr.write("aside"); process.exit(3)']
      expect(await runtime.exec(plan, 'web', argv, context())).toEqual({ code: 3, stdout: 'hello', stderr: 'aside' })
    })

    test('answers what parity asks, and undefined where it cannot', async () => {
      const answers = await runtime.readings(
        plan,
        [
          { kind: 'runtime', question: 'replicas:web', expect: 2 },
          { kind: 'runtime', question: 'database:main-db', expect: true },
          { kind: 'runtime', question: 'replicas:nobody', expect: 1 },
          { kind: 'runtime', question: 'health:web', expect: true },
        ],
        context(),
      )
      expect(answers).toEqual([{ actual: 2 }, { actual: true }, undefined, { actual: true }])
    })

    test('restarts a service: other processes, and it answers when restart returns', async () => {
      const before = await runtime.read(plan, context())
      await runtime.restart(plan, 'web', context())
      const after = await runtime.read(plan, context())
      expect(serviceIn(after).replicas.map((replica) => replica.state)).toEqual(['ready', 'ready'])
      for (const identity of identities(before)['web'] ?? []) expect(identities(after)['web']).not.toContain(identity)
      expect(identities(after)['main-db']).toEqual(identities(before)['main-db'])
      expect(await ask(after)).toMatchObject({ greeting: 'hello' })
    })

    test('is taken over by another runtime object, which starts nothing twice', async () => {
      const before = await runtime.read(plan, context())
      await runtime.release(context().runId)
      runtime = harness.create()
      const adopted = await runtime.adopt(plan, context())
      expect(adopted).toBeDefined()
      expect(identities(adopted as LiveState)).toEqual(identities(before))
      expect(await ask(adopted as LiveState)).toMatchObject({ greeting: 'hello' })
    })

    test('makes a change of the Plan real, and only that', async () => {
      const before = await runtime.read(plan, context())
      const changed = await runtime.reconcile(await harness.plan('changed'), context())
      expect(await ask(changed)).toMatchObject({ greeting: 'changed' })
      expect(identities(changed)['main-db']).toEqual(identities(before)['main-db'])
      state = await runtime.reconcile(plan, context())
      expect(await ask(state)).toMatchObject({ greeting: 'hello' })
    })

    test('adopts nothing where nothing of the run lives', async () => {
      expect(await runtime.adopt(plan, harness.context('never-started'))).toBeUndefined()
    })

    test('ends a start that cannot succeed at once, with the cause and the last log lines', async () => {
      const crashing = await harness.plan('crashing')
      const doomed = harness.context('doomed')
      try {
        const error = await runtime.reconcile(crashing, doomed).then(
          () => undefined,
          (thrown: unknown) => thrown,
        )
        expect(error).toBeInstanceOf(ShivError)
        expect((error as ShivError).code).toMatch(/CRASH/)
        expect((error as ShivError).evidence.join('\n')).toContain('the contract wants this crash')
        expect((error as ShivError).hint).toBeTruthy()
      } finally {
        await runtime.remove(crashing, { purge: true }, doomed)
      }
    })

    test('leaves, when it is interrupted, what the next reconcile completes', async () => {
      const interrupted = new AbortController()
      interrupted.abort(new ShivError('Interrupted.', { code: 'INTERRUPTED', exit: 130 }))
      await expect(runtime.reconcile(await harness.plan('changed'), context(interrupted.signal))).rejects.toMatchObject({
        code: 'INTERRUPTED',
      })
      state = await runtime.reconcile(plan, context())
      expect(await ask(state)).toMatchObject({ greeting: 'hello' })
    })

    test('removes what it made, and removing again is no failure', async () => {
      const { endpoints } = serviceIn(state)
      await runtime.remove(plan, { purge: false }, context())
      const after = await runtime.read(plan, context())
      expect(after.services.flatMap(({ replicas }) => replicas.filter((replica) => replica.state === 'ready'))).toEqual([])
      await expect(fetch(urlOf(endpoints))).rejects.toThrow()
      await runtime.remove(plan, { purge: false }, context())
      expect(await runtime.adopt(plan, context())).toBeUndefined()
      state = await runtime.reconcile(plan, context())
      expect(await ask(state)).toMatchObject({ greeting: 'hello' })
    })
  })
}

function serviceIn(state: LiveState) {
  const web = state.services.find(({ name }) => name === 'web')
  if (web === undefined) throw new Error('the state has no service web')
  return web
}

/** What tells one process or pod from its successor, by service and database. */
function identities(state: LiveState): Record<string, string[]> {
  const services = state.services.map(({ name, replicas }) => [
    name,
    replicas.map(({ id, pid, since }) => `${id} ${pid ?? ''} ${since}`).toSorted(),
  ])
  const databases = state.databases.map(({ name, host, port }) => [name, [`${host}:${port}`]])
  return Object.fromEntries([...services, ...databases]) as Record<string, string[]>
}

function urlOf(endpoints: Record<string, { host: string; port: number }[]>, path = '/'): string {
  const endpoint = endpoints['http']?.[0]
  if (endpoint === undefined) throw new Error('no endpoint is ready')
  return `http://${endpoint.host}:${endpoint.port}${path}`
}

async function ask(state: LiveState, path = '/'): Promise<unknown> {
  const response = await fetch(urlOf(serviceIn(state).endpoints, path))
  return response.json()
}

async function gather(lines: AsyncIterable<LogLine>): Promise<LogLine[]> {
  const all: LogLine[] = []
  for await (const line of lines) all.push(line)
  return all
}

async function eventually(check: () => Promise<void>): Promise<void> {
  const deadline = Date.now() + 10_000
  for (;;) {
    try {
      return await check()
    } catch (error) {
      if (Date.now() > deadline) throw error
      await sleep(50)
    }
  }
}

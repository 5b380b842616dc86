import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Overlay, ReloadOrder, ReloadOutcome, RunContext, Runtime } from '../../src/engine/ports.ts'
import type { Plan } from '../../src/plan/types.ts'

/** The service `web` of the suite at a version of its code: answers `/healthz`, and `/` with the version. */
export function webAt(version: string): string {
  return `
import { createServer } from 'node:http'
const server = createServer((request, response) => {
  response.setHeader('connection', 'close')
  response.end(JSON.stringify({ version: ${JSON.stringify(version)} }))
})
server.listen(Number(process.env.PORT))
process.on('SIGTERM', () => server.close(() => process.exit(0)))
`
}

/** Ends with an error that names its own file. */
export const BROKEN = `
function price() { throw new Error('the contract wants this crash') }
price()
`

/** Lives, and never answers. */
export const SILENT = `setInterval(() => {}, 1_000)`

/** How a runtime that can reload comes to the suite. */
export interface ReloadHarness {
  /** Why this machine cannot run it; the suite is then skipped with that line. */
  unavailable: string | undefined
  /** A runtime as a new daemon would make it; it shares nothing in memory with those made before. */
  create(): Runtime
  /** One service `web` of two replicas with a port `http`, whose code is `server.mjs`; it runs what `save` was last given. */
  plan(): Promise<Plan>
  context(options?: { signal?: AbortSignal }): RunContext
  /** Makes the working copy's `server.mjs` this text; what an order says of it. */
  save(text: string): Promise<{ overlay: Overlay; mark: string; expected: ReadonlyMap<string, string> }>
  dispose(): Promise<void>
}

/** The suite that every ReloadPort passes, in the terms of `ports.ts` alone. */
export function reloadContract(name: string, harness: ReloadHarness): void {
  const title = harness.unavailable === undefined ? name : `${name} (skipped: ${harness.unavailable})`
  describe.skipIf(harness.unavailable !== undefined)(`${title} is a ReloadPort`, () => {
    let runtime: Runtime
    let plan: Plan
    let sequence = 0
    let phases: string[] = []

    const order = async (text: string, options: { signal?: AbortSignal } = {}): Promise<ReloadOrder> => {
      const { overlay, mark } = await harness.save(text)
      phases = []
      return {
        service: plan.services.find((service) => service.name === 'web')!,
        sequence: (sequence += 1),
        overlay,
        mark,
        restart: 'process',
        hold: async () => () => {},
        passed: (phase) => phases.push(phase),
        signal: options.signal ?? new AbortController().signal,
      }
    }
    const apply = async (order: ReloadOrder): Promise<ReloadOutcome> => runtime.reload!.apply(plan, order, harness.context())

    beforeAll(async () => {
      await harness.save(webAt('first'))
      runtime = harness.create()
      plan = await harness.plan()
      await runtime.reconcile(plan, harness.context())
    }, 300_000)
    afterAll(async () => {
      await runtime.remove(plan, { purge: true }, harness.context())
      await harness.dispose()
    }, 120_000)

    test('makes every replica run what was saved, and says so', async () => {
      const asked = await order(webAt('second'))
      const { replicas } = await apply(asked)
      expect(replicas.map(({ state }) => state)).toEqual(['ready', 'ready'])
      expect(replicas.map(({ id }) => id).toSorted()).toEqual(idsOf(await runtime.read(plan, harness.context())))
      expect(phases.filter((phase) => phase === 'restarted' || phase === 'ready')).toEqual(['restarted', 'ready'])
      expect(await versions()).toEqual(new Set(['second']))
    })

    test('tells what each replica holds, and that it is what it should be', async () => {
      const asked = await order(webAt('held'))
      await apply(asked)
      const holdings = await runtime.reload!.holdings(plan, 'web', harness.context())
      expect(holdings.map(({ mark, sequence }) => ({ mark, sequence }))).toEqual(
        [1, 2].map(() => ({ mark: asked.mark, sequence: asked.sequence })),
      )
      const { expected } = await harness.save(webAt('held'))
      for (const one of await runtime.reload!.verify(plan, 'web', expected, harness.context()))
        expect(one).toMatchObject({ checked: expected.size, differing: [] })
    })

    test('obeys an order again as it did before', async () => {
      const asked = await order(webAt('again'))
      await apply(asked)
      expect((await apply(asked)).replicas.map(({ state }) => state)).toEqual(['ready', 'ready'])
      expect(await versions()).toEqual(new Set(['again']))
    })

    test('says why what was saved does not run, with the line of the file, and the next save mends it', async () => {
      const { replicas } = await apply(await order(BROKEN))
      expect(replicas.map(({ state }) => state)).toEqual(['failed', 'failed'])
      const [first] = replicas.filter(({ evidence }) => evidence !== undefined)
      expect(first!.cause).toContain('the contract wants this crash')
      expect(first!.evidence!.join('\n')).toMatch(/server\.mjs:\d+/)
      const mended = await apply(await order(webAt('mended')))
      expect(mended.replicas.map(({ state }) => state)).toEqual(['ready', 'ready'])
      expect(await versions()).toEqual(new Set(['mended']))
    })

    test('gives up an order that a newer one overtakes, and runs the newer one', async () => {
      const overtaken = new AbortController()
      const first = apply(await order(SILENT, { signal: overtaken.signal }))
      const outcome = first.then(
        () => 'resolved',
        () => 'rejected',
      )
      await sleep(200)
      overtaken.abort(new Error('overtaken'))
      const second = await apply(await order(webAt('newest')))
      expect(await outcome).toBe('rejected')
      expect(second.replicas.map(({ state }) => state)).toEqual(['ready', 'ready'])
      expect(await versions()).toEqual(new Set(['newest']))
    })

    test('a storm of saves ends with the last one', async () => {
      const all: Promise<unknown>[] = []
      for (let index = 0; index < 6; index += 1) {
        const asked = await order(webAt(`storm ${index}`))
        all.push(apply(asked).catch(() => undefined)) // those that are overtaken
        await sleep(30)
      }
      await Promise.all(all)
      expect(await versions()).toEqual(new Set(['storm 5']))
      const read = await runtime.read(plan, harness.context())
      expect(read.services[0]!.replicas.map(({ state }) => state)).toEqual(['ready', 'ready'])
    })

    test('another daemon finds what each replica holds', async () => {
      const asked = await order(webAt('kept'))
      await apply(asked)
      await runtime.release(harness.context().runId)
      runtime = harness.create()
      await runtime.adopt(plan, harness.context())
      // A replica that was not reached yet cannot be asked.
      const sequences = async () =>
        (await runtime.reload!.holdings(plan, 'web', harness.context())).map(({ sequence }) => sequence)
      await expect.poll(sequences, { timeout: 20_000 }).toEqual([asked.sequence, asked.sequence])
      expect(await versions()).toEqual(new Set(['kept']))
      await apply(await order(webAt('after')))
      expect(await versions()).toEqual(new Set(['after']))
    })

    /** What answers, over so many requests that each replica has had its turn. */
    async function versions(): Promise<Set<string>> {
      const { services } = await runtime.read(plan, harness.context())
      const endpoints = services.find(({ name }) => name === 'web')!.endpoints['http'] ?? []
      const seen = new Set<string>()
      for (let index = 0; index < 8; index += 1) {
        const { host, port } = endpoints[index % endpoints.length]!
        seen.add(((await (await fetch(`http://${host}:${port}/`)).json()) as { version: string }).version)
      }
      return seen
    }
  })
}

function idsOf(live: { services: { name: string; replicas: { id: string }[] }[] }): string[] {
  return live.services
    .find(({ name }) => name === 'web')!
    .replicas.map(({ id }) => id)
    .toSorted()
}

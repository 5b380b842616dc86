import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createKindRuntime } from '../../../src/drivers/kubernetes/runtime.ts'
import type { DependencyAddress, PodPlace } from '../../../src/engine/dependency-ports.ts'
import type { RunContext, Runtime } from '../../../src/engine/ports.ts'
import type { RemotePlan } from '../../../src/plan/remote.ts'
import { remoteObjects } from '../../../src/plan/remote-objects.ts'
import type { Plan } from '../../../src/plan/types.ts'
import { makeModel } from '../../plan/fixture.ts'
import { type TestCluster, acquireCluster, whyNoCluster } from '../../support/cluster.ts'
import { contextOf, references } from './context.ts'
import { kindPlan } from './plans.ts'

const why = whyNoCluster()
if (why !== undefined) console.log(`skipped: runs on a real cluster (${why})`)

const PAYMENTS = 'payments-of-outside'

/** Answers with a word; stands for the proxy of a dependency. */
async function listen(word: string, host: string): Promise<Server> {
  const server = createServer((request, response) => response.end(`${word} for ${request.headers.host}`))
  await new Promise<void>((resolve) => server.listen(0, host, resolve))
  return server
}

function remote(name: string, inCluster: Partial<RemotePlan['inCluster']>): RemotePlan {
  return {
    name,
    users: ['web'],
    protocol: 'http',
    mode: 'staging',
    target: { kind: 'url', url: `https://${name}.staging.example.com` },
    access: { level: 'read_only', allow: [] },
    rules: {},
    recording: {
      file: `recordings/${name}.har`,
      recordMissing: false,
      rules: {
        ignore: { query: [], headers: [], body: [] },
        redact: { headers: [], cookies: [], body: [], patterns: [] },
        order: 'any',
      },
    },
    inCluster: { namespace: 'shiv-outside', service: name, port: 80, tls: false, ...inCluster },
    hostnames: [],
    urlTemplate: 'http://${host}:${port}',
    production: `https://${name}.example.com`,
  }
}

const billing = remote('billing', {})
const ledger = remote('ledger', { namespace: PAYMENTS, port: 8080 })
const users: RemotePlan = {
  ...remote('users', { port: 5432 }),
  protocol: 'postgres',
  secret: 'users-credentials',
  urlTemplate: 'postgresql://${user}:${password}@${host}:${port}/${name}',
}

describe.skipIf(why !== undefined)('dependencies outside of the workspace, in a real cluster', () => {
  let test: TestCluster
  let runtime: Runtime
  let place: PodPlace
  const servers: Server[] = []
  const addresses = new Map<string, DependencyAddress>()

  const planOf = (remotes: RemotePlan[]): Plan => {
    const model = makeModel([], { workspace: { name: 'outside', root: '/nowhere' } })
    return kindPlan('outside', test.spec, [{ name: 'web' }], {
      remotes,
      objects: remoteObjects({ model, namespace: 'shiv-outside', remotes }),
      secrets: remotes.flatMap(({ name, secret }) =>
        secret === undefined ? [] : [{ name: secret, source: { kind: 'dependency', dependency: name }, keys: [] }],
      ),
    })
  }
  const contextFor = (plan: Plan): RunContext & ReturnType<typeof contextOf> => ({
    ...contextOf(plan),
    openToPods: async (asked) => {
      expect(asked).toEqual(place)
      return addresses
    },
  })
  const serve = async (name: string, word: string, more: Partial<DependencyAddress> = {}) => {
    const server = await listen(word, place.address)
    servers.push(server)
    addresses.set(name, { host: place.address, port: (server.address() as AddressInfo).port, ...more })
  }
  /** The body, or what went wrong. By nc: a name that a pod resolves and connects to is what is asked here. */
  const ask = async (plan: Plan, url: string) => {
    const { hostname, host, port } = new URL(url)
    const request = `printf 'GET / HTTP/1.0\\r\\nHost: ${host}\\r\\n\\r\\n' | nc -w 5 ${hostname} ${port || 80}`
    const { stdout, stderr } = await runtime.exec(plan, 'web', ['sh', '-c', request], contextFor(plan))
    return stdout === '' ? stderr : stdout.replace(/^[^]*?\r\n\r\n/, '')
  }
  /** A node learns of an EndpointSlice a moment after the API server. */
  const soon = (plan: Plan, url: string, answer: string) =>
    expect.poll(() => ask(plan, url), { timeout: 30_000, interval: 200 }).toBe(answer)
  const namespaceUid = () =>
    test.kubectl('get', 'namespace', PAYMENTS, '--ignore-not-found', '-o', 'jsonpath={.metadata.uid}').trim()

  beforeAll(async () => {
    test = await acquireCluster()
    place = await test.driver.podPlace!(test.spec)
    runtime = createKindRuntime({ home: test.home, cluster: test.driver, images: references })
    await serve('billing', 'billing')
    await serve('ledger', 'ledger')
    await serve('users', 'users', { user: 'shiv', password: 'not-of-staging', database: 'users' })
  }, 300_000)
  afterAll(async () => {
    await runtime?.release('outside-00000000')
    for (const server of servers) server.close()
    test?.kubectl('delete', 'namespace', 'shiv-outside', PAYMENTS, '--wait=false', '--ignore-not-found')
    test?.release()
  }, 120_000)

  it('never takes a namespace that somebody else has', async () => {
    test.kubectl('create', 'namespace', PAYMENTS)
    const before = namespaceUid()
    const plan = planOf([ledger])
    await expect(runtime.reconcile(plan, contextFor(plan))).rejects.toMatchObject({ code: 'KUBE_NAMESPACE_FOREIGN' })
    await runtime.remove(plan, { purge: true }, contextFor(plan))
    expect(namespaceUid()).toBe(before)
    expect(test.kubectl('get', 'service', '-n', PAYMENTS, '-o', 'name').trim()).toBe('')
    test.kubectl('delete', 'namespace', PAYMENTS)
  }, 300_000)

  it('leads production’s names to this machine, in its own namespace and in another', async () => {
    const plan = planOf([billing, ledger, users])
    await runtime.reconcile(plan, contextFor(plan))
    await soon(plan, 'http://billing/', 'billing for billing')
    await soon(plan, `http://ledger.${PAYMENTS}:8080/`, `ledger for ledger.${PAYMENTS}:8080`)
    const url = test.kubectl('get', 'secret', 'users-credentials', '-n', 'shiv-outside', '-o', 'jsonpath={.data.url}')
    expect(Buffer.from(url, 'base64').toString()).toBe('postgresql://shiv:not-of-staging@users:5432/users')
  }, 300_000)

  it('touches nothing when a mode changes', async () => {
    const versions = () =>
      test.kubectl(
        'get',
        'service,endpointslice,deployment',
        '-n',
        'shiv-outside',
        '-o',
        'jsonpath={range .items[*]}{.metadata.name}@{.metadata.resourceVersion} {end}',
      )
    const before = versions()
    const plan = planOf([{ ...billing, mode: 'replay' }, ledger, users])
    await runtime.reconcile(plan, contextFor(plan))
    expect(versions()).toBe(before)
  }, 300_000)

  it('follows a daemon that comes back at another port', async () => {
    const plan = planOf([billing, ledger, users])
    await runtime.release('outside-00000000')
    await serve('billing', 'billing again')
    expect(await runtime.adopt(plan, contextFor(plan))).toBeDefined()
    await soon(plan, 'http://billing/', 'billing again for billing')
  }, 300_000)

  it('refuses connections to a dependency that is not served, and takes away what left the Plan', async () => {
    addresses.delete('billing')
    const plan = planOf([billing])
    await runtime.reconcile(plan, contextFor(plan))
    await expect.poll(() => ask(plan, 'http://billing/'), { timeout: 30_000, interval: 200 }).toMatch(/refused/)
    await expect.poll(namespaceUid, { timeout: 60_000, interval: 500 }).toBe('')
    expect(test.kubectl('get', 'service', '-n', 'shiv-outside', '-o', 'name')).not.toContain('users')
  }, 300_000)

  it('takes its namespaces away at the end', async () => {
    const plan = planOf([ledger])
    await runtime.reconcile(plan, contextFor(plan))
    expect(namespaceUid()).not.toBe('')
    await runtime.remove(plan, { purge: false }, contextFor(plan))
    expect(namespaceUid()).toBe('')
  }, 300_000)
})

import { execa } from 'execa'
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { parse, stringify } from 'yaml'
import { openPostgresDependency } from '../../../src/drivers/dependency/postgres/open-postgres.ts'
import { openRedisDependency } from '../../../src/drivers/dependency/redis/open-redis.ts'
import { ask } from '../../../src/drivers/redis/resp.ts'
import { createClusterAccess } from '../../../src/drivers/dependency/cluster-access.ts'
import { createTunnel, type Tunnel } from '../../../src/drivers/dependency/tunnel.ts'
import { type CutRelay, createCutRelay } from '../dependency/support/cut-relay.ts'
import { holdForTests } from '../dependency/support/opened.ts'
import { type Opened, openFor, READ_WRITE, settingOf } from '../dependency/support/setting.ts'
import { until } from '../dependency/support/until.ts'
import { acquireCluster, type TestCluster, whyNoCluster } from '../../support/cluster.ts'

const NAMESPACE = 'tunnel-test'
const [REDIS, POSTGRES] = ['redis:7-alpine', 'postgres:15-alpine']
const never = new AbortController().signal

const workload = (name: string, image: string, port: number, env: Record<string, string>, replicas = 1) => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name, namespace: NAMESPACE },
  spec: {
    replicas,
    selector: { matchLabels: { app: name } },
    template: {
      metadata: { labels: { app: name } },
      spec: {
        terminationGracePeriodSeconds: 0,
        containers: [
          {
            name,
            image,
            imagePullPolicy: 'IfNotPresent',
            env: Object.entries(env).map(([name, value]) => ({ name, value })),
            ports: [{ name: 'main', containerPort: port }],
            readinessProbe: { tcpSocket: { port: 'main' }, periodSeconds: 1 },
          },
        ],
      },
    },
  },
})
const service = (name: string, port: number) => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace: NAMESPACE },
  spec: { selector: { app: name }, ports: [{ name: 'main', port, targetPort: 'main' }] },
})

const why = whyNoCluster()
describe.skipIf(why !== undefined)(why ? `a tunnel (skipped: ${why})` : 'a tunnel to a pod through the API server', () => {
  let test: TestCluster
  let folder: string
  const tunnels: Tunnel[] = []
  const { keep, dial } = holdForTests()
  const relays: CutRelay[] = []

  beforeAll(async () => {
    test = await acquireCluster()
    folder = mkdtempSync(join(tmpdir(), 'shiv-tunnel-'))
    await test.driver.deliver(test.cluster, [REDIS, POSTGRES], { signal: AbortSignal.timeout(120_000), progress() {} })
    const items = [
      { apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } },
      workload('cache', REDIS, 6379, {}),
      service('cache', 6380),
      workload('users', POSTGRES, 5432, { POSTGRES_PASSWORD: 'pod-secret' }),
      service('users', 5432),
      service('nobody', 80),
      {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name: 'far', namespace: NAMESPACE },
        spec: { type: 'ExternalName', externalName: 'db.example.com' },
      },
      { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'guest', namespace: NAMESPACE } },
    ]
    const file = join(folder, 'objects.json')
    writeFileSync(file, JSON.stringify({ apiVersion: 'v1', kind: 'List', items }))
    test.kubectl('apply', '-f', file)
    for (const name of ['cache', 'users'])
      test.kubectl('-n', NAMESPACE, 'rollout', 'status', `deployment/${name}`, '--timeout=120s')
  }, 300_000)
  afterAll(() => {
    if (folder) rmSync(folder, { recursive: true, force: true })
    test?.kubectl('delete', 'namespace', NAMESPACE, '--wait=false')
    test?.release()
  })
  afterEach(async () => {
    for (const tunnel of tunnels.splice(0)) tunnel.close()
    await Promise.all(relays.splice(0).map((relay) => relay.close()))
  })

  const tunnelTo = (service: string, more: { port?: string; kubeconfig?: string; context?: string } = {}): Tunnel => {
    const { kubeconfig, context, port } = { ...test.cluster, ...more }
    const cluster = createClusterAccess(context, { environment: { KUBECONFIG: kubeconfig }, folder })
    const tunnel = createTunnel({ cluster, namespace: NAMESPACE, service, ...(port !== undefined && { port }) })
    tunnels.push(tunnel)
    return tunnel
  }
  const openCache = async (tunnel: Tunnel, more: Parameters<typeof settingOf>[2] = {}): Promise<Opened> => {
    const upstream = { label: 'staging (cache)', connect: (signal: AbortSignal) => tunnel.connect(signal) }
    const one = await openFor(
      openRedisDependency,
      settingOf('redis', 'redis://cache.tunnel-test', { name: 'cache', ...more, upstream }),
    )
    keep(one)
    return one
  }
  /** A kubeconfig whose way to the API server can be cut. */
  const throughRelay = async (): Promise<{ kubeconfig: string; relay: CutRelay }> => {
    const config = parse(readFileSync(test.cluster.kubeconfig, 'utf8')) as {
      clusters: { cluster: { server: string; 'tls-server-name'?: string } }[]
    }
    const cluster = config.clusters[0]!.cluster
    const server = new URL(cluster.server)
    const relay = await createCutRelay({ host: server.hostname, port: Number(server.port) })
    relays.push(relay)
    cluster.server = `https://127.0.0.1:${relay.port}`
    cluster['tls-server-name'] ??= 'kubernetes' // a name that every API server's certificate has
    const kubeconfig = join(folder, `kubeconfig-${relay.port}`)
    writeFileSync(kubeconfig, stringify(config), { mode: 0o600 })
    return { kubeconfig, relay }
  }

  it('reads from Redis in a pod, refuses writes, and leaves the kubeconfig as it was', async () => {
    const before = createHash('sha256').update(readFileSync(test.cluster.kubeconfig)).digest('hex')
    const one = await openCache(tunnelTo('cache', { port: '6380' }))
    await until(() => one.dependency.health().state === 'ready', 'a probe proved it')
    const socket = dial(one)
    await expect(ask(socket, ['SET', 'a', '1'], never)).rejects.toThrow('READONLY')
    expect(await ask(socket, ['DBSIZE'], never)).toBe(0)
    expect(createHash('sha256').update(readFileSync(test.cluster.kubeconfig)).digest('hex')).toBe(before)
  })

  it('reads from Postgres in a pod, and the row count proves that nothing was written', async () => {
    const tunnel = tunnelTo('users')
    const credentials = async () => ({ user: 'postgres', password: 'pod-secret', database: 'postgres' })
    const upstream = { connect: (signal: AbortSignal) => tunnel.connect(signal), credentials }
    const kubectl = (sql: string) =>
      test.kubectl('-n', NAMESPACE, 'exec', 'deploy/users', '--', 'psql', '-U', 'postgres', '-Atc', sql)
    kubectl('create table if not exists people (name text); truncate people; insert into people values (1), (2)')
    const one = await openFor(openPostgresDependency, settingOf('postgres', 'postgres://users.tunnel-test', { upstream }))
    keep(one)
    const client = new pg.Client({ host: '127.0.0.1', port: one.dependency.port, user: 'service', password: 'none' })
    await client.connect()
    try {
      expect((await client.query('select count(*)::int as n from people')).rows).toEqual([{ n: 2 }])
      await expect(client.query('delete from people')).rejects.toMatchObject({ code: '25006' })
      const big = await client.query("select repeat('x', 5000000) as text")
      expect((big.rows[0] as { text: string }).text.length).toBe(5_000_000)
    } finally {
      await client.end()
    }
    expect(kubectl('select count(*) from people').trim()).toBe('2')
  })

  it('carries a hundred connections at once, and megabytes both ways', async () => {
    const one = await openCache(tunnelTo('cache'), { access: READ_WRITE })
    const many = Array.from({ length: 100 }, () => dial(one))
    expect(await Promise.all(many.map((socket, index) => ask(socket, ['ECHO', String(index)], never)))).toEqual(
      many.map((_socket, index) => String(index)),
    )
    expect(one.dependency.health().openConnections).toBe(100)
    const big = 'x'.repeat(8_000_000)
    await ask(many[0]!, ['SET', 'big', big], never)
    expect(await ask(many[1]!, ['GET', 'big'], never)).toBe(big)
    await ask(many[0]!, ['DEL', 'big'], never)
  })

  it('goes on at the next pod when its pod is gone', async () => {
    const one = await openCache(tunnelTo('cache'))
    const socket = dial(one)
    const idOf = async (from: Socket) => /run_id:(\w+)/.exec((await ask(from, ['INFO', 'server'], never)) as string)![1]
    const before = await idOf(socket)
    const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
    socket.once('end', () => socket.end())
    test.kubectl('-n', NAMESPACE, 'delete', 'pod', '-l', 'app=cache', '--wait=true')
    await closed
    const after = await until(() => idOf(dial(one)).catch(() => undefined), 'the next pod answers')
    expect(after).not.toBe(before)
    await until(() => one.dependency.health().state === 'ready', 'it is proved again')
  })

  for (const how of ['refuse', 'swallow'] as const) {
    it(`is back after the network was away (${how === 'refuse' ? 'connections refused' : 'packets lost'}), and asks little meanwhile`, async () => {
      const { kubeconfig, relay } = await throughRelay()
      const one = await openCache(tunnelTo('cache', { kubeconfig }))
      await until(() => one.dependency.health().state === 'ready', 'a probe proved it')
      const held = dial(one)
      expect(await ask(held, ['PING'], never)).toBe('PONG')
      await relay.cut(how)
      const waiting = ask(dial(one), ['PING'], never).catch((error: Error) => error)
      if (how === 'refuse') await until(() => one.dependency.health().state !== 'ready', 'it is not green any more')
      const before = relay.attempts
      await new Promise((resolve) => setTimeout(resolve, 3_000)) // the time that it is away, not a wait for something
      expect(relay.attempts - before).toBeLessThan(12)
      await relay.heal()
      const began = performance.now()
      await until(
        () =>
          ask(dial(one), ['PING'], never).then(
            (answer) => answer === 'PONG',
            () => false,
          ),
        'it answers again',
      )
      console.log(`back ${Math.round(performance.now() - began)} ms after the network (${how})`)
      expect(await waiting, 'who waited meanwhile is answered, or told').toSatisfy(
        (answer) => answer === 'PONG' || answer instanceof Error,
      )
      await until(() => one.dependency.health().state === 'ready', 'it is proved again')
    })
  }

  it('is back after a restart of the API server', async () => {
    const one = await openCache(tunnelTo('cache'))
    await until(() => one.dependency.health().state === 'ready', 'a probe proved it')
    const held = dial(one)
    await ask(held, ['PING'], never)
    const closed = new Promise<void>((resolve) => held.once('close', () => resolve()))
    held.once('end', () => held.end())
    execFileSync('docker', ['exec', `${test.spec.name}-control-plane`, 'pkill', '-x', 'kube-apiserver'])
    await closed
    const began = performance.now()
    const { kubeconfig, context } = test.cluster
    const asked = [
      '--kubeconfig',
      kubeconfig,
      '--context',
      context,
      'get',
      '--raw',
      `/api/v1/namespaces/${NAMESPACE}/services/cache`,
    ]
    const seen = async (look: () => Promise<boolean>): Promise<number> => {
      while (!(await look())) await new Promise((resolve) => setTimeout(resolve, 50))
      return performance.now() - began
    }
    const [server, ours] = await Promise.all([
      seen(async () => (await execa('kubectl', asked, { reject: false })).exitCode === 0),
      seen(async () => (await ask(dial(one), ['PING'], never).catch(() => '')) === 'PONG'),
    ])
    console.log(`the API server answers ${Math.round(server)} ms after its end, the tunnel ${Math.round(ours)} ms`)
    await until(() => one.dependency.health().state === 'ready', 'it is proved again')
  }, 120_000)

  it('keeps a connection that nobody uses for a while', async () => {
    const socket = dial(await openCache(tunnelTo('cache')))
    expect(await ask(socket, ['ECHO', 'before'], never)).toBe('before')
    await new Promise((resolve) => setTimeout(resolve, 17_000)) // longer than a ping may stay without its answer
    expect(await ask(socket, ['ECHO', 'after'], never)).toBe('after')
  })

  it('says what is wrong where no waiting helps', async () => {
    const codeOf = (work: Promise<unknown>) =>
      work.then(
        () => 'none',
        (error: { code: string }) => error.code,
      )
    const soon = () => AbortSignal.timeout(1_500)
    expect(await codeOf(tunnelTo('no-such').connect(soon()))).toBe('TUNNEL_SERVICE_UNKNOWN')
    expect(await codeOf(tunnelTo('cache', { port: '1' }).connect(soon()))).toBe('TUNNEL_PORT_UNKNOWN')
    expect(await codeOf(tunnelTo('far').connect(soon()))).toBe('TUNNEL_NOT_A_POD')
    expect(await codeOf(tunnelTo('nobody').connect(soon()))).toBe('TUNNEL_NO_POD')
    expect(await codeOf(tunnelTo('cache', { context: 'other' }).connect(soon()))).toBe('DEPENDENCY_CONTEXT_UNKNOWN')
    const token = test.kubectl('-n', NAMESPACE, 'create', 'token', 'guest').trim()
    const config = parse(readFileSync(test.cluster.kubeconfig, 'utf8')) as { users: { user: object }[] }
    config.users[0]!.user = { token }
    const kubeconfig = join(folder, 'guest')
    writeFileSync(kubeconfig, stringify(config), { mode: 0o600 })
    expect(await codeOf(tunnelTo('cache', { kubeconfig }).connect(soon()))).toBe('TUNNEL_FORBIDDEN')
  })
})

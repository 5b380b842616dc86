import { connect, createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { openHttpDependency } from '../../../src/drivers/dependency/http/open.ts'
import { openPostgresDependency } from '../../../src/drivers/dependency/postgres/open-postgres.ts'
import { openExchange } from '../../../src/drivers/dependency/recording/open-exchange.ts'
import { openRedisDependency } from '../../../src/drivers/dependency/redis/open-redis.ts'
import type { DependencySetting } from '../../../src/engine/dependency-ports.ts'
import type { Roles } from './roles.ts'

/** The dependency proxy, by protocol and setting, and a plain TCP relay. Each wants the upstream's port; Postgres user and password too. */
export const dependencyRoles: Roles = {
  shiv: (upstream) => openShiv(upstream, {}),
  'shiv with rules': (upstream) =>
    openShiv(upstream, {
      access: { level: 'read_only', allow: [{ method: 'POST', path: '/searches/**', why: 'reads by POST' }] },
      rules: {
        request: { set: { 'X-Team': 'payments' }, remove: ['X-Debug'] },
        response: { set: { 'X-Seen': '1' }, remove: ['Server'] },
        auth: { bearer: { env: 'BENCH_TOKEN' } },
        rewrite: [{ from: '/api', to: '/v2' }],
        forwarded: true,
        retries: { attempts: 2, budget: 0.2 },
        breaker: { failures: 5, coolMs: 1_000 },
        timeouts: { headersMs: 5_000, totalMs: 30_000 },
      },
    }),
  'shiv recording': (upstream) =>
    openShiv(upstream, {
      mode: 'record',
      recording: { file: join(import.meta.dirname, 'service.har'), recordMissing: false, rules: noRules },
    }),
  postgres: async (...login) => (await openPostgresDependency(guarded('postgres', login), { onEvent() {} })).port,
  redis: async (...login) => (await openRedisDependency(guarded('redis', login), { onEvent() {} })).port,
  async relay(upstream) {
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
      const other = connect({ port: Number(upstream), host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
      for (const side of [client, other]) side.on('error', () => [client, other].forEach((each) => each.destroy()))
      client.pipe(other)
      other.pipe(client)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return (server.address() as AddressInfo).port
  },
}

const noRules = {
  ignore: { query: [], headers: [], body: [] },
  redact: { headers: [], cookies: [], body: [], patterns: [] },
  order: 'any' as const,
}

async function openShiv(upstream: string, changes: Partial<DependencySetting>): Promise<number> {
  const setting: DependencySetting = {
    name: 'service',
    protocol: 'http',
    mode: 'staging',
    access: { level: 'read_write', allow: [] },
    rules: {},
    upstream: { url: new URL(`http://127.0.0.1:${upstream}`), label: 'staging (service)' },
    ...changes,
  }
  const dependency = await openHttpDependency(setting, {
    onEvent() {},
    readToken: async () => ({ token: 'bench-token' }),
    openExchange,
  })
  return dependency.port
}

function guarded(protocol: 'postgres' | 'redis', [port = '', user = '', password = '']: string[]): DependencySetting {
  return {
    name: 'bench',
    protocol,
    mode: 'staging',
    access: { level: 'read_only', allow: [] },
    rules: {},
    upstream: {
      url: new URL(`${protocol}://127.0.0.1:${port}?sslmode=disable`),
      label: 'the bench',
      credentials: async () => ({ user, password }),
    },
  }
}

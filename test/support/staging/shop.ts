import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { askRedis } from '../../../src/drivers/database/redis-client.ts'
import type { DependenciesResult, DependencyStatus, WireEvent } from '../../../src/wire/messages.ts'
import { asOwner, startPostgres, startRedis, type TestServer } from '../../drivers/dependency/support/servers.ts'
import { createAuthority } from '../authority.ts'
import { openShiv, readRun, tinyService, writeTree, type OwnShiv } from '../own-shiv.ts'
import { startStagingApi, type StagingApi } from './api-server.ts'
import { startBilling, type Billing } from './billing.ts'
import { startPrices, type Prices } from './prices.ts'

export const TOKEN = 'staging-token-0123456789abcdef'
export const API_TOKEN = 'api-token-0123456789abcdef'
export const READER = { user: 'reader', password: 'reader-secret-0123456789' }
export const REDIS_PASSWORD = 'redis-secret-0123456789'

/** A workspace with one service, `orders`, and a staging on this machine: HTTP and gRPC over TLS, Postgres and Redis behind an API server. */
export interface Shop {
  own: OwnShiv
  folder: string
  billing: Billing
  prices: Prices
  postgres: TestServer
  /** The rows and answers of staging itself, past everything. */
  sql(text: string): Promise<unknown[]>
  redis(...words: string[]): Promise<string>
  proxy(...words: string[]): Promise<string>
  list(): Promise<DependencyStatus[]>
  tail(name: string): Promise<Extract<WireEvent, { kind: 'dependency' }>['event'][]>
  /** Where the service answers. */
  url(): Promise<string>
  /** All of staging is gone, for good. */
  cutStaging(): Promise<void>
  close(): Promise<void>
}

/** `program` is the service's `server.cjs`; `more` further files of the workspace. Started as plain processes. */
export async function openShop(name: string, program: string, more: Record<string, string> = {}): Promise<Shop> {
  const own = await openShiv(name)
  const folder = join(own.folder, 'shop')
  const certificates = join(own.folder, 'certificates')
  mkdirSync(certificates)
  const authority = createAuthority(certificates)
  const tls = authority.issue('localhost', '127.0.0.1')
  const [billing, prices, postgres, cache] = await Promise.all([
    startBilling(tls, TOKEN),
    startPrices(tls, TOKEN),
    startPostgres(),
    startRedis(REDIS_PASSWORD),
  ])
  const redis = (...words: string[]): Promise<string> =>
    askRedis({ host: '127.0.0.1', port: cache.port, password: REDIS_PASSWORD }, words, AbortSignal.timeout(5_000))
  const sql = async (text: string): Promise<unknown[]> => (await asOwner(postgres.port, text)).rows as unknown[]
  await sql(
    "create table people (name text, born date); insert into people values ('ada', '1815-12-10'), ('grace', '1906-12-09')",
  )
  await sql(
    "create sequence numbers; create function add_person() returns int language sql as $$ insert into people values ('eve') returning 1 $$",
  )
  // It may write as far as Postgres is concerned: what refuses is the guard.
  await sql(`create role ${READER.user} login superuser password '${READER.password}'`)
  await redis('SET', 'greeting', 'hello')
  const api: StagingApi = await startStagingApi(tls, {
    namespace: 'shop',
    token: API_TOKEN,
    services: { 'users-db': postgres.port, cache: cache.port },
    secrets: {
      'users-db-credentials': { ...READER, name: 'postgres' },
      'cache-credentials': { password: REDIS_PASSWORD },
    },
  })
  await writeTree(own.folder, {
    kubeconfig: stringify({
      clusters: [
        { name: 'staging', cluster: { server: `https://127.0.0.1:${api.port}`, 'certificate-authority': authority.file } },
      ],
      users: [{ name: 'me', user: { token: API_TOKEN } }],
      contexts: [{ name: 'staging', context: { cluster: 'staging', user: 'me' } }],
    }),
  })
  Object.assign(own.env, { KUBECONFIG: join(own.folder, 'kubeconfig'), STAGING_TOKEN: TOKEN })
  await writeTree(folder, {
    'shiv.yaml': 'name: shop\nenvironments:\n  staging: { context: staging, namespace: shop }\n',
    'certificates/staging.pem': readFileSync(authority.file, 'utf8'),
    ...tinyService('orders'),
    'orders/server.cjs': program,
    'orders/service.yaml': ordersYaml(billing.port, prices.port),
    ...more,
  })
  await own.shiv(['start', '--runtime', 'process'], { cwd: folder })
  const proxy = (...words: string[]): Promise<string> => own.shiv(['proxy', ...words], { cwd: folder })
  let isCut = false
  const cutStaging = async (): Promise<void> => {
    if (isCut) return
    isCut = true
    await Promise.all([billing.end(), prices.end(), postgres.end(), cache.end(), api.end()])
  }
  return {
    own,
    folder,
    billing,
    prices,
    postgres,
    sql,
    redis,
    proxy,
    cutStaging,
    list: async () => (JSON.parse(await proxy('--json')) as DependenciesResult).dependencies,
    async tail(dependency) {
      const lines = (await proxy('tail', dependency, '--no-follow', '--json', '-n', '1000')).split('\n')
      return lines.filter(Boolean).map((line) => (JSON.parse(line) as Extract<WireEvent, { kind: 'dependency' }>).event)
    },
    url: async () => (await readRun(own, folder)).services.find((service) => service.name === 'orders')!.directUrl!,
    async close() {
      await own.shiv(['stop', '--purge', '--yes'], { cwd: folder, reject: false })
      await own.close()
      await cutStaging()
    },
  }
}

function ordersYaml(billing: number, prices: number): string {
  const outside = 'env: staging, tls: { ca: certificates/staging.pem }, auth: { bearer: { env: STAGING_TOKEN } }'
  return `name: orders
language: node
command: [node, server.cjs]
scaling: { min_replicas: 1, max_replicas: 1 }
observability: { logging: plain }
dependencies:
  - billing: { http: https://localhost:${billing}, ${outside} }
  - prices: { grpc: https://localhost:${prices}, ${outside}, allow: [{ path: /prices.Prices/Get, why: a price is a read }] }
  - users: { database: users-db, env: staging, type: postgres, recording: { file: orders/kept/users.jsonl } }
  - cache: { database: cache, env: staging, type: redis }
`
}

import { execa, type Result } from 'execa'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { connect } from 'node:tls'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { stringify } from 'yaml'
import { askRedis } from '../../src/drivers/database/redis-client.ts'
import type { DependencyStatus, WireEvent } from '../../src/wire/messages.ts'
import { asOwner, startPostgres, startRedis, type TestServer } from '../drivers/dependency/support/servers.ts'
import { blocksOf } from '../docs/pages.ts'
import { commandsOf } from '../docs/reader.ts'
import { until } from '../support/daemon.ts'
import { openShiv, readRun, shivBin, tinyService, writeTree, type OwnShiv } from '../support/own-shiv.ts'
import { startStagingApi, type StagingApi } from '../support/staging/api-server.ts'
import { createAuthority } from '../support/authority.ts'
import { startBilling, type Billing } from '../support/staging/billing.ts'
import { ordersIn } from '../support/staging/orders-in.ts'
import { callerProgram } from '../support/staging/workspace.ts'

const TOKEN = 'staging-token-0123456789abcdef'
const API_TOKEN = 'api-token-0123456789abcdef'
const READER = { user: 'reader', password: 'reader-secret-0123456789' }
const REDIS_PASSWORD = 'redis-secret-0123456789'

let own: OwnShiv
let shop: string
let billing: Billing
let ledger: Billing
let postgres: TestServer
let redis: TestServer
let api: StagingApi
let stopLedger: () => Promise<void>

beforeAll(async () => {
  own = await openShiv('dependencies')
  shop = join(own.folder, 'shop')
  const certificates = join(own.folder, 'certificates')
  await mkdir(certificates)
  const authority = createAuthority(certificates)
  const tls = authority.issue('localhost', '127.0.0.1')
  ;[billing, ledger, postgres, redis] = await Promise.all([
    startBilling(tls, TOKEN),
    startBilling(authority.issue('ledger.shop'), TOKEN),
    startPostgres(),
    startRedis(REDIS_PASSWORD),
  ])
  stopLedger = () => ledger.end()
  await asOwner(postgres.port, 'create table people (name text); insert into people values ($$ada$$), ($$grace$$)')
  // It may write as far as Postgres is concerned: what refuses is the guard.
  await asOwner(postgres.port, `create role ${READER.user} login superuser password '${READER.password}'`)
  await askStagingRedis('SET', 'greeting', 'hello')
  api = await startStagingApi(tls, {
    namespace: 'shop',
    token: API_TOKEN,
    services: { ledger: ledger.port, 'users-db': postgres.port, cache: redis.port },
    secrets: {
      'users-db-credentials': { ...READER, name: 'postgres' },
      'cache-credentials': { password: REDIS_PASSWORD },
    },
  })
  const kubeconfig = join(own.folder, 'kubeconfig')
  await writeFile(kubeconfig, kubeconfigText(api.port, authority.file), { mode: 0o600 })
  Object.assign(own.env, { KUBECONFIG: kubeconfig, STAGING_TOKEN: TOKEN })
  await writeTree(shop, {
    'shiv.yaml': shivYaml('staging'),
    'certificates/staging.pem': authority.ca,
    ...tinyService('stub'),
    'stub/server.js':
      "import { createServer } from 'node:http'\ncreateServer((_, response) => response.end('the stub')).listen(process.env.PORT)\n",
    ...tinyService('orders'),
    'orders/server.cjs': await callerProgram(),
    'orders/service.yaml': ordersYaml(billing.port),
  })
  await own.shiv(['start', '--runtime', 'process'], { cwd: shop })
}, 240_000)

afterAll(async () => {
  await own.shiv(['stop', '--purge', '--yes'], { cwd: shop, reject: false })
  await own.close()
  await Promise.all([billing?.end(), stopLedger?.(), postgres?.end(), redis?.end(), api?.end()])
}, 60_000)

describe('a service that calls staging', () => {
  it('is told at its start what each dependency may do, and every reason for more', async () => {
    const told = await own.shiv(['start'], { cwd: shop })
    expect(told).toMatch(/billing +staging +read-only, 1 excepted +staging \(localhost:\d+\)/)
    expect(told).toMatch(/ledger +staging +read-only +staging \(ledger\.shop\)/)
    expect(told).toMatch(/users +staging +read-only +staging \(users-db\)/)
    expect(told).toContain('billing lets POST /search pass: a search is a read')
  })

  it('reads it: over TLS with a token, through the API server, from Postgres and from Redis', async () => {
    const [first, second] = [await http('BILLING_URL', '/invoices'), await http('LEDGER_URL', '/entries')]
    expect(first.status, first.body).toBe(200)
    expect(first.servedBy).toMatch(/^staging/)
    expect(JSON.parse(first.body)).toMatchObject({ host: `localhost:${billing.port}`, invoices: ['one', 'two'] })
    expect(second.status, second.body).toBe(200)
    expect(await sql('select count(*)::int from people')).toEqual({
      rows: [{ count: 2 }],
    })
    expect(await askCache('GET', 'greeting')).toEqual({ answer: 'hello' })
    await until(async () => (await list()).every(({ health }) => health.state === 'ready'))
  })

  it('reaches it by https where it insists, and its certificate is renewed by the next daemon without a restart of the service', async () => {
    const before = await pids()
    const first = await http('SECURE_URL', '/invoices')
    expect(first, first.body).toMatchObject({ status: 200, servedBy: expect.stringMatching(/^staging/) })
    expect(await http('SECURE_URL', '/invoices', 'POST')).toMatchObject({ status: 403 })
    const { port } = (await list()).find(({ name }) => name === 'billing')!
    const number = await serialNumberAt(port!)
    await killDaemon()
    await own.shiv(['start'], { cwd: shop })
    expect(await http('SECURE_URL', '/invoices')).toMatchObject({ status: 200 })
    expect(await serialNumberAt(port!)).not.toBe(number)
    expect(await pids()).toEqual(before)
    await expect(fetch(`https://127.0.0.1:${port}/invoices`)).rejects.toThrow() // this process was told of no authority
  })

  it('does not write to it: the error says why, in the protocol of each, and the count there proves it', async () => {
    const post = await http('BILLING_URL', '/invoices', 'POST')
    expect(post).toMatchObject({ status: 403, body: expect.stringContaining('read-only') })
    expect(await sql("insert into people values ('eve')")).toMatchObject({
      error: { code: '25006', message: expect.stringContaining('read-only') },
    })
    const set = await askCache('SET', 'greeting', 'gone')
    expect(JSON.stringify(set)).toMatch(/read-only/)
    expect(billing.invoices).toEqual(['one', 'two'])
    expect(billing.asked.filter((asked) => asked.startsWith('POST'))).toEqual([])
    expect((await asOwner(postgres.port, 'select count(*)::int from people')).rows).toEqual([{ count: 2 }])
    expect(await askStagingRedis('GET', 'greeting')).toBe('hello')
    const [refused] = (await tail('billing')).filter(({ outcome }) => outcome === 'refused')
    expect(refused).toMatchObject({ summary: 'POST /invoices', servedBy: 'guard' })
  })

  it('does what is excepted, by its reason', async () => {
    expect((await http('BILLING_URL', '/search', 'POST')).status).toBe(200)
    expect(billing.invoices.splice(2)).toEqual(['/search'])
  })

  it('needs the password of the run to use a database', async () => {
    const { port } = (await list()).find(({ name }) => name === 'users')!
    const client = new pg.Client({ host: '127.0.0.1', port, user: 'shiv', password: 'guessed', database: 'users' })
    await expect(client.connect()).rejects.toThrow(/password/)
  })
})

describe('switched while everything runs', () => {
  it('leads to what is local and back, in every protocol, and restarts nothing', async () => {
    const before = await pids()
    await proxy('mode', 'billing', 'local')
    expect(await http('BILLING_URL', '/invoices')).toMatchObject({ body: 'the stub', servedBy: expect.stringContaining('local') })
    await proxy('mode', 'users', 'local')
    const write = sql
    expect(await write('create table if not exists mine (n int)')).toEqual({ rows: [] })
    expect(await write('insert into mine values (1) returning n')).toEqual({ rows: [{ n: 1 }] })
    await proxy('mode', 'cache', 'local')
    expect(await askCache('SET', 'greeting', 'local')).toEqual({ answer: 'OK' })

    expect((await list()).map(({ name, mode, writtenMode }) => [name, mode, writtenMode])).toEqual([
      ['billing', 'local', 'staging'],
      ['ledger', 'staging', 'staging'],
      ['users', 'local', 'staging'],
      ['cache', 'local', 'staging'],
    ])
    expect(await own.shiv(['start'], { cwd: shop })).toContain('local (switched from staging)')
    for (const name of ['billing', 'users', 'cache']) await proxy('mode', name, '--reset')
    expect(JSON.parse((await http('BILLING_URL', '/invoices')).body)).toMatchObject({ invoices: ['one', 'two'] })
    expect(await askCache('GET', 'greeting')).toEqual({ answer: 'hello' })
    expect(await sql('select count(*)::int from people')).toEqual({
      rows: [{ count: 2 }],
    })
    expect(await pids()).toEqual(before)
  })

  it('goes wrong on purpose, and stops to', async () => {
    await proxy('fault', 'billing', '--error-rate', '1', '--error-status', '503')
    expect((await http('BILLING_URL', '/invoices')).status).toBe(503)
    await proxy('fault', 'billing', '--latency', '100ms/2s', '--error-rate', '0.1', '--cut', '0.05', '--bandwidth', '1MB/s')
    expect(await own.shiv(['status'], { cwd: shop })).toMatch(/billing +staging/)
    await proxy('fault', 'billing', '--off')
    expect((await http('BILLING_URL', '/invoices')).status).toBe(200)
  })

  it('is recorded, and played with the upstream gone', async () => {
    await proxy('mode', 'ledger', 'record')
    const recorded = await http('LEDGER_URL', '/entries?page=2')
    await proxy('mode', 'ledger', 'replay')
    await stopLedger()
    stopLedger = async () => {}
    const played = await http('LEDGER_URL', '/entries?page=2')
    expect(played.body).toBe(recorded.body)
    expect(played.servedBy).toMatch(/recording|replay/)
    const unmatched = await http('LEDGER_URL', '/entries?page=3')
    expect(unmatched.status).toBeGreaterThanOrEqual(400)
    expect(unmatched.body).toContain('/entries?page=2')
    const text = readFileSync(join(shop, 'recordings/ledger.har'), 'utf8')
    expect(text).not.toContain(TOKEN)
    await proxy('mode', 'ledger', 'staging')
    expect((await http('LEDGER_URL', '/entries?page=2')).status).toBe(502)
  })

  it('says what is wrong where it cannot be switched, and stays as it was', async () => {
    const codeOf = async (...words: string[]) => {
      const { exitCode, stderr } = await attempt(['proxy', ...words, '--json'])
      return [exitCode, (JSON.parse(String(stderr)) as { error: { code: string } }).error.code]
    }
    expect(await codeOf('mode', 'users', 'replay')).toEqual([2, 'RECORDING_MISSING'])
    expect(await codeOf('mode', 'ledger', 'local')).toEqual([2, 'DEPENDENCY_NO_LOCAL'])
    expect(await codeOf('mode', 'biling', 'local')).toEqual([2, 'DEPENDENCY_UNKNOWN'])
    expect(await codeOf('mode', 'billing', 'locl')).toEqual([2, 'CLI_BAD_VALUE'])
    expect((await list()).map(({ mode }) => mode)).toEqual(['staging', 'staging', 'staging', 'staging'])
  })
})

it('does what docs/proxy.md shows, command by command', async () => {
  const commands = blocksOf('docs/proxy.md', 'sh').flatMap(commandsOf)
  expect(commands.length).toBeGreaterThan(5)
  for (const command of commands) await own.shiv(command.split(' ').slice(1), { cwd: shop })
  expect(await own.shiv(['proxy', 'check', 'recordings/all.har'], { cwd: shop })).toContain('can be played')
})

it('finds what is wrong with a recording, and says where', async () => {
  const text = readFileSync(join(shop, 'recordings/ledger.har'), 'utf8')
  await writeFile(join(shop, 'recordings/broken.har'), text.replace('"method": "GET"', '"method": 7'))
  const { exitCode, stderr } = await attempt(['proxy', 'check', 'recordings/broken.har', '--json'])
  const { error } = JSON.parse(String(stderr)) as { error: { code: string; faults: { code: string; line: number }[] } }
  expect([exitCode, error.code, error.faults[0]?.code]).toEqual([4, 'RECORDING_FAULTS', 'RECORDING_BAD_FIELD'])
  expect(error.faults[0]!.line).toBeGreaterThan(1)
})

describe('production', () => {
  it('is not reached under the name of staging: nothing starts, and nothing is changed', async () => {
    const before = api.forwards
    await writeFile(join(shop, 'shiv.yaml'), shivYaml('renamed'))
    const { exitCode, stderr } = await attempt(['start', '--json'])
    expect([exitCode, (JSON.parse(String(stderr)) as { error: { code: string } }).error.code]).toEqual([
      4,
      'DEPENDENCY_PRODUCTION_CLUSTER',
    ])
    expect(api.forwards).toBe(before)
    await writeFile(join(shop, 'shiv.yaml'), shivYaml('staging'))
    await own.shiv(['start'], { cwd: shop })
    expect((await http('BILLING_URL', '/invoices')).status).toBe(200)
  })
})

describe('a daemon that is killed', () => {
  it('while an answer streams: the stream ends, and the next daemon serves at the same ports, in the same modes', async () => {
    await proxy('mode', 'cache', 'local')
    const [before, processes] = [await list(), await pids()]
    const { port } = (await readRun(own, shop)).services.find(({ name }) => name === 'orders')!.endpoints['http']![0]!
    const stream = await fetch(`http://127.0.0.1:${port}/stream/BILLING_URL/events`)
    const reader = stream.body!.getReader()
    expect(Buffer.from((await reader.read()).value!).toString()).toContain('tick')
    await killDaemon()
    const ended = async (): Promise<void> => {
      while (!(await reader.read()).done);
    }
    await ended().catch(() => {}) // cut or ended: either way it is over

    const shape = ({ name, port, mode }: DependencyStatus) => [name, port, mode]
    expect((await list()).map(shape)).toEqual(before.map(shape))
    expect(await pids()).toEqual(processes)
    expect(await askCache('GET', 'greeting')).toEqual({ answer: 'local' })
    expect(await sql('select count(*)::int from people')).toEqual({
      rows: [{ count: 2 }],
    })
    // What its starter had exported is not known any more, until the next start.
    await own.shiv(['start'], { cwd: shop })
    expect((await http('BILLING_URL', '/invoices')).status).toBe(200)
  })
})

it('leaves no credential of staging on disk', () => {
  const files = readdirSync(own.folder, { recursive: true, encoding: 'utf8' }).filter(
    (file) => !/^kubeconfig$|\/data\//.test(file) && statSync(join(own.folder, file)).isFile(),
  )
  expect(files.some((file) => file.endsWith('run.json'))).toBe(true)
  const secrets = [TOKEN, API_TOKEN, READER.password, REDIS_PASSWORD]
  const telling = files.filter((file) => {
    const text = readFileSync(join(own.folder, file), 'latin1')
    return secrets.some((secret) => text.includes(secret))
  })
  expect(telling).toEqual([])
})

it('is closed with its run', async () => {
  const [first] = await list()
  await own.shiv(['stop'], { cwd: shop })
  await expect(fetch(`http://127.0.0.1:${first!.port}/`)).rejects.toThrow()
  const { exitCode } = await attempt(['proxy'])
  expect(exitCode).toBe(2)
})

const { http, sql, redis: askCache, list, proxy, killDaemon } = ordersIn(() => ({ own, shop }))

async function tail(name: string) {
  const lines = (await own.shiv(['proxy', 'tail', name, '--no-follow', '--json', '-n', '100'], { cwd: shop })).split('\n')
  return lines.filter(Boolean).map((line) => (JSON.parse(line) as Extract<WireEvent, { kind: 'dependency' }>).event)
}

const attempt = (words: string[]): Promise<Result> =>
  execa(process.execPath, [shivBin, ...words], { cwd: shop, env: own.env, stdin: 'ignore', reject: false })

const pids = async () => (await readRun(own, shop)).services.map(({ name, replicas }) => [name, replicas.map(({ pid }) => pid)])

/** Of the certificate that is shown there, whoever is trusted. */
function serialNumberAt(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false }, () => {
      resolve(socket.getPeerCertificate().serialNumber)
      socket.destroy()
    })
    socket.once('error', reject)
  })
}

const askStagingRedis = (...words: string[]): Promise<string> =>
  askRedis({ host: '127.0.0.1', port: redis.port, password: REDIS_PASSWORD }, words, AbortSignal.timeout(5_000))

function shivYaml(context: string): string {
  return `name: shop
environments:
  staging: { context: ${context}, namespace: shop }
  production: { context: production }
`
}

function ordersYaml(port: number): string {
  return `name: orders
language: node
command: [node, server.cjs]
scaling: { min_replicas: 1, max_replicas: 1 }
observability: { logging: plain }
databases:
  - postgres: own-users
  - redis: own-cache
env:
  BILLING_URL: \${dependencies.billing.url}
  SECURE_URL: https://\${dependencies.billing.host}:\${dependencies.billing.port}
  LEDGER_URL: \${dependencies.ledger.url}
  USERS_URL: \${dependencies.users.url}
  CACHE_URL: \${dependencies.cache.url}
dependencies:
  - billing:
      http: https://localhost:${port}
      env: staging
      mode: staging
      tls: { ca: certificates/staging.pem }
      auth: { bearer: { env: STAGING_TOKEN } }
      allow: [{ method: POST, path: /search, why: a search is a read }]
      local: stub
  - ledger:
      service: ledger
      env: staging
      tls: { ca: certificates/staging.pem }
      auth: { bearer: { env: STAGING_TOKEN } }
  - users: { database: users-db, env: staging, type: postgres, mode: staging, local: own-users }
  - cache: { database: cache, env: staging, type: redis, local: own-cache }
`
}

/** Two names for one cluster: \`renamed\` is a context of production that somebody copied. */
function kubeconfigText(port: number, authority: string): string {
  const server = (at: string) => ({ server: at, 'certificate-authority': authority })
  return stringify({
    'current-context': 'production',
    clusters: [
      { name: 'staging', cluster: server(`https://127.0.0.1:${port}`) },
      { name: 'live', cluster: server('https://api.live.example.com') },
      { name: 'copy', cluster: server('https://api.live.example.com:443') },
    ],
    users: [{ name: 'me', user: { token: API_TOKEN } }],
    contexts: [
      { name: 'staging', context: { cluster: 'staging', user: 'me' } },
      { name: 'production', context: { cluster: 'live', user: 'me' } },
      { name: 'renamed', context: { cluster: 'copy', user: 'me' } },
    ],
  })
}

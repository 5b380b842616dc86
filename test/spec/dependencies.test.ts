import { symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import type { Remote } from '../../src/spec/remote.ts'
import { staged } from './dependency-cases.ts'
import { errorOf, folderWith, load, placesOf } from './support.ts'

const remotesOf = async (entry: string, shiv = '', environment = 'local'): Promise<Remote[]> =>
  (await load(staged(entry, shiv), environment)).services[0]!.remotes
const billing = (more: string) => `billing: { http: https://billing.staging.example.com, ${more} }`

it('reads the four dependencies of the issue letter for letter', async () => {
  const [first, ...others] = [
    'billing: { http: https://billing.staging.example.com, mode: staging }          # read-only unless said otherwise',
    "ledger:  { service: ledger.payments, env: staging, mode: record }               # through the staging cluster's API, no VPN",
    'users:   { database: users-db, env: staging, type: postgres, mode: staging }    # supervised tunnel, writes refused',
    'search:  { http: https://search.staging.example.com, mode: replay }             # offline, from a recording',
  ]
  const remotes = await remotesOf([first, ...others.map((line) => `  - ${line}`)].join('\n'))
  const readOnly = { level: 'read_only', allow: [] }
  expect(remotes).toMatchObject([
    {
      name: 'billing',
      protocol: 'http',
      mode: 'staging',
      access: readOnly,
      target: { kind: 'url', url: 'https://billing.staging.example.com', environment: 'staging' },
      recording: { file: 'recordings/billing.har', recordMissing: false },
    },
    {
      name: 'ledger',
      protocol: 'http',
      mode: 'record',
      access: readOnly,
      target: { kind: 'service', service: 'ledger', namespace: 'payments', environment: 'staging', tls: false },
      inCluster: { service: 'ledger', namespace: 'payments', port: 80 },
    },
    {
      name: 'users',
      protocol: 'postgres',
      mode: 'staging',
      access: readOnly,
      target: { kind: 'database', database: 'users-db', type: 'postgres', namespace: 'shop', environment: 'staging' },
      inCluster: { service: 'users', port: 5432 },
    },
    { name: 'search', protocol: 'http', mode: 'replay', access: readOnly },
  ])
  expect((remotes[2]!.target as { credentials: object }).credentials).toEqual({ secret: 'users-db-credentials' })
})

it('needs no shiv.yaml for a URL', async () => {
  const { services } = await load({
    'service.yaml': 'name: orders\nlanguage: node\ndependencies: [{ billing: { http: "https://b.example.com/v2/" } }]\n',
  })
  expect(services[0]!.remotes[0]!.target).toEqual({ kind: 'url', url: 'https://b.example.com/v2' })
})

it('keeps services of the workspace and what is outside of it apart', async () => {
  const files = staged('mailer\n  - search: { http: https://search.staging.example.com }')
  const model = await load({ ...files, 'mailer/service.yaml': 'name: mailer\nlanguage: node\n' })
  expect(model.services.map(({ name }) => name)).toEqual(['mailer', 'orders'])
  expect(model.services[1]).toMatchObject({ dependencies: ['mailer'], remotes: [{ name: 'search' }] })
})

it('reads every rule in the units of the Plan', async () => {
  const [remote] = await remotesOf(
    billing(`
      read_only: false, allow: [{ method: POST, path: /search/**, why: a search is a read }],
      headers: { request: { set: { x-team: 7 }, remove: [x-debug] }, response: { remove: [server] } },
      auth: { bearer: { command: "vault read -field=token 'secret/my team'" } },
      rewrite: [{ from: /api, to: /v2 }], host: local, forwarded: true,
      timeouts: { connect: 500ms, headers: 2s, idle: 1m, total: 1.5s },
      retries: { attempts: 2, budget: 20% }, breaker: { failures: 5, cool: 10s },
      faults: { latency: { p50: 10ms, p99: 1s }, error_rate: 5%, error_status: 503, cut_rate: 0.01, bytes_per_second: 64Ki },
      recording: { file: rec/b.har, ignore: { body: ["$.items[*].id", "$..token"] }, redact: { patterns: ["[0-9]{16}"] }, order: ordered, missing: record },
      production: https://billing.example.com, hostnames: [billing.example.com], local: "http://localhost:3000"`),
  )
  expect(remote).toMatchObject({
    access: { level: 'read_write', allow: [{ method: 'POST', path: '/search/**', why: 'a search is a read' }] },
    rules: {
      request: { set: { 'x-team': '7' }, remove: ['x-debug'] },
      response: { remove: ['server'] },
      auth: { bearer: { command: ['vault', 'read', '-field=token', 'secret/my team'] } },
      rewrite: [{ from: '/api', to: '/v2' }],
      host: 'local',
      forwarded: true,
      timeouts: { connectMs: 500, headersMs: 2000, idleMs: 60_000, totalMs: 1500 },
      retries: { attempts: 2, budget: 0.2 },
      breaker: { failures: 5, coolMs: 10_000 },
    },
    faults: { latency: { p50: 10, p99: 1000 }, errorRate: 0.05, errorStatus: 503, cutRate: 0.01, bytesPerSecond: 65_536 },
    recording: {
      file: 'rec/b.har',
      recordMissing: true,
      rules: { order: 'ordered', ignore: { body: ['$.items[*].id', '$..token'] }, redact: { patterns: ['[0-9]{16}'] } },
    },
    production: 'https://billing.example.com',
    hostnames: ['billing.example.com'],
    local: { url: 'http://localhost:3000' },
  })
})

it("gives an environment's token to what is the environment's for sure, and to nothing else", async () => {
  const shiv = '  qa: { context: qa, domain: qa.example.com, auth: { bearer: { kube_context: qa } } }\n'
  const rulesOf = async (entry: string) => (await remotesOf(entry, shiv))[0]!.rules
  const token = { auth: { bearer: { kubeContext: 'qa' } } }
  expect(await rulesOf('a: { http: https://a.qa.example.com }')).toEqual(token)
  expect(await rulesOf('a: { service: a, env: qa }')).toEqual(token)
  expect(await rulesOf('a: { http: https://elsewhere.test, env: qa }')).toEqual({})
  expect(await rulesOf('a: { http: http://a.qa.example.com }')).toEqual({})
  expect(await rulesOf('a: { http: https://notqa.example.com, env: qa }')).toEqual({})
})

it('reads production where that is allowed with a reason, in both forms', async () => {
  const forms = ['allow_production: { read_only: true, why: real amounts }', 'allow_production: read_only, why: real amounts']
  for (const form of forms) {
    const model = await load(staged('ledger: { service: ledger, env: production }', `  production: { context: prod, ${form} }\n`))
    expect(model.environments['production']).toMatchObject({
      isProduction: true,
      allowProduction: { level: 'read_only', why: 'real amounts' },
    })
    expect(model.services[0]!.remotes[0]!.target).toMatchObject({ environment: 'production', namespace: 'shop' })
  }
})

it('takes the address of an environment from its overrides, production included', async () => {
  const files = staged(
    'billing: { http: https://billing.staging.example.com }\nenvironments:\n  production:\n    dependencies: [{ billing: { http: https://billing.example.com } }]',
    '  production: { domain: example.com }\n',
  )
  const there = (await load(files, 'production')).services[0]!.remotes[0]!
  expect(there.target).toMatchObject({ url: 'https://billing.example.com', environment: 'production' })
})

it('takes what is under production’s domain for production’s, whatever is written, until another environment has the longer domain', async () => {
  const dependency = 'a: { http: https://a.qa.example.com, env: qa }'
  await expect(remotesOf(dependency, '  qa: {}\n  production: { domain: example.com }\n')).rejects.toMatchObject({
    faults: [{ code: 'SPEC_PRODUCTION_TARGET' }],
  })
  const apart = '  qa: { domain: qa.example.com }\n  production: { domain: example.com }\n'
  expect((await remotesOf(dependency, apart))[0]!.target).toMatchObject({ environment: 'qa' })
})

it('takes a name of the workspace where local says that it is the same', async () => {
  const files = staged(billing('local: billing'))
  const model = await load({ ...files, 'billing/service.yaml': 'name: billing\nlanguage: node\n' })
  const orders = model.services.find(({ name }) => name === 'orders')!
  expect(orders.remotes[0]!.local).toEqual({ service: 'billing' })
})

it('refuses a recording that leaves the workspace through a symlink', async () => {
  const outside = folderWith({ 'there.txt': '' })
  const root = folderWith(staged(billing('mode: record')))
  symlinkSync(outside, join(root, 'recordings'))
  expect(placesOf((await errorOf(root)).faults, root)).toEqual(['SPEC_OUTSIDE_WORKSPACE 4:5'])
})

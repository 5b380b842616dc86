import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { renderPlan } from '../../src/cli/render/plan.ts'
import { createStyle } from '../../src/core/style.ts'
import { buildPlan } from '../../src/plan/build.ts'
import { diffPlans, planHash } from '../../src/plan/diff.ts'
import { localise } from '../../src/plan/localise.ts'
import { renderManifests } from '../../src/plan/manifests.ts'
import { parityFacts } from '../../src/plan/parity.ts'
import { remoteValues } from '../../src/plan/remote-values.ts'
import type { KubeObject, Plan } from '../../src/plan/types.ts'
import type { Model, Service } from '../../src/spec/model.ts'
import type { Remote } from '../../src/spec/remote.ts'
import { makeModel, makeService, postgres } from './fixture.ts'
import { makeRemote } from './remotes.ts'

const billing = makeRemote('billing', { production: 'https://billing.example.com' })
const ledger = makeRemote('ledger', {
  target: { kind: 'service', service: 'ledger', namespace: 'payments', environment: 'staging', tls: false },
  inCluster: { service: 'ledger', namespace: 'payments', port: 80 },
  mode: 'record',
})
const users = makeRemote('users', {
  protocol: 'postgres',
  target: {
    kind: 'database',
    database: 'users-db',
    type: 'postgres',
    namespace: 'shop',
    environment: 'staging',
    credentials: { secret: 'users-db-credentials' },
  },
  inCluster: { service: 'users', port: 5432 },
})
const search = makeRemote('search', { mode: 'replay' })
const ledgerRpc = makeRemote('rates', {
  protocol: 'grpc',
  target: { kind: 'service', service: 'rates', namespace: 'shop', port: '50051', environment: 'staging', tls: false },
  inCluster: { service: 'rates', port: 50_051 },
})

const staging = { name: 'staging', context: 'kind-staging', namespace: 'shop', isProduction: false, registry: 'r.example.com' }
const production = { name: 'production', context: 'prod', isProduction: true }

function withRemotes(remotes: Remote[], overrides: Partial<Service> = {}): Service {
  return makeService('orders', { remotes, ...overrides })
}
function modelOf(services: Service[]): Model {
  const local = { name: 'local', isProduction: false }
  return makeModel(services, { environments: { local, staging, production } })
}
const four = modelOf([withRemotes([billing, ledger, users, search])])

function envOf(plan: Plan, service = 'orders'): Record<string, unknown> {
  const workload = plan.objects.find(({ kind, metadata }) => kind === 'Deployment' && metadata.name === service) as KubeObject & {
    spec: { template: { spec: { containers: { env: { name: string; value?: string; valueFrom?: object }[] }[] } } }
  }
  const env = workload.spec.template.spec.containers[0]!.env
  return Object.fromEntries(env.map(({ name, value, valueFrom }) => [name, value ?? valueFrom]))
}
const secretKey = (key: string) => ({ secretKeyRef: { name: 'users-credentials', key } })

describe('production', () => {
  test('has production’s addresses, and a database’s in its Secret', () => {
    const plan = buildPlan(four)
    expect(envOf(plan)).toMatchObject({
      BILLING_URL: 'https://billing.example.com',
      LEDGER_URL: 'http://ledger.payments:80',
      SEARCH_URL: 'https://search.staging.example.com',
      USERS_URL: secretKey('url'),
      USERS_PASSWORD: secretKey('password'),
      DATABASE_URL: secretKey('url'),
    })
    expect(plan.objects.some(({ kind }) => kind === 'EndpointSlice')).toBe(false)
    expect(plan.secrets).toMatchObject([{ name: 'users-credentials', source: { kind: 'dependency', dependency: 'users' } }])
  })

  test('takes the target itself where it is deployed into the target’s environment', () => {
    expect(envOf(buildPlan({ ...four, environment: staging }))['BILLING_URL']).toBe('https://billing.staging.example.com')
  })
})

describe('kind', () => {
  const plan = localise(buildPlan(four), 'kind', four)

  test('keeps production’s names, which lead to the daemon', async () => {
    expect(envOf(plan)).toMatchObject({
      BILLING_URL: 'https://billing.example.com',
      LEDGER_URL: 'http://ledger.payments:80',
      SEARCH_URL: 'https://search.staging.example.com',
      USERS_URL: secretKey('url'),
      DATABASE_URL: secretKey('url'),
    })
    const added = plan.objects.filter(
      ({ metadata }) => metadata.labels?.['shiv.dev/dependency'] ?? metadata.labels?.['shiv.dev/dependencies'],
    )
    const golden = join(import.meta.dirname, '../golden/manifests/dependencies.kind.yaml')
    await expect(renderManifests(added)).toMatchFileSnapshot(golden)
    expect(plan.remotes.map(({ name, users: callers }) => [name, callers])).toEqual(
      ['billing', 'ledger', 'users', 'search'].map((name) => [name, ['orders']]),
    )
  })

  test('lets pods out to the daemon: no policy restricts egress', () => {
    const policies = plan.objects.filter(({ kind }) => kind === 'NetworkPolicy') as (KubeObject & {
      spec: { policyTypes: string[] }
    })[]
    expect(policies.length).toBeGreaterThan(0)
    for (const { spec } of policies) expect(spec.policyTypes).toEqual(['Ingress'])
  })

  test('names every other environment, so that none is reached by mistake', () => {
    expect(plan.remoteEnvironments).toEqual([
      { name: 'staging', context: 'kind-staging', namespace: 'shop', isProduction: false },
      production,
    ])
    const none = makeModel([makeService('orders')])
    expect(localise(buildPlan(none), 'kind', none).remoteEnvironments).toEqual([])
  })

  test('holds no secret, and reads back as it is', () => {
    expect(JSON.parse(JSON.stringify(plan))).toEqual(plan)
  })

  test('merges what two services call', () => {
    const model = modelOf([withRemotes([billing]), makeService('web', { remotes: [billing] })])
    const { remotes, objects } = localise(buildPlan(model), 'kind', model)
    expect(remotes).toMatchObject([{ name: 'billing', users: ['orders', 'web'] }])
    expect(objects.filter(({ metadata }) => metadata.labels?.['shiv.dev/dependency'])).toHaveLength(2)
  })

  test('stands beside a service of the same name, which goes on being one', () => {
    const local = { service: 'billing' }
    const model = modelOf([makeService('billing'), withRemotes([{ ...billing, local }])])
    const there = localise(buildPlan(model), 'kind', model)
    expect(there.remotes[0]?.inCluster).toMatchObject({ service: 'billing-remote', port: 80, tlsPort: 443 })
    const names = there.objects.filter(({ kind }) => kind === 'Service').map(({ metadata }) => metadata.name)
    expect(names).toEqual(expect.arrayContaining(['billing', 'billing-remote']))
  })

  test('has a database of the workspace and its stand-in apart, each with its own Secret', () => {
    const own = { ...users, name: 'user-db', inCluster: { service: 'user-db', port: 5432 }, local: { database: 'user-db' } }
    const model = modelOf([makeService('accounts', { databases: [postgres] }), withRemotes([own])])
    const { secrets } = localise(buildPlan(model), 'kind', model)
    expect(secrets.map(({ name }) => name)).toEqual(['user-db-credentials', 'user-db-remote-credentials'])
  })
})

describe('process', () => {
  test('leaves the addresses to the daemon', () => {
    const plan = localise(buildPlan(four), 'process', four)
    expect(plan.objects).toEqual([])
    expect(plan.remotes.every(({ address }) => address === undefined)).toBe(true)
    const env = plan.services[0]!.env.find(({ name }) => name === 'BILLING_URL')
    expect(env).toEqual({
      name: 'BILLING_URL',
      from: 'dependency billing',
      source: { kind: 'value', parts: [{ kind: 'dependency', dependency: 'billing', field: 'url' }] },
    })
    const [http, , database] = plan.remotes
    expect(remoteValues(http!, { host: '127.0.0.1', port: 4000 })).toMatchObject({ url: 'http://127.0.0.1:4000', port: '4000' })
    expect(remoteValues(http!, { host: '::1', port: 4000 }).url).toBe('http://[::1]:4000')
    expect(remoteValues(database!, { host: '127.0.0.1', port: 4001, user: 'shiv', password: 'a/b', database: 'users' })).toEqual({
      url: 'postgresql://shiv:a%2Fb@127.0.0.1:4001/users',
      host: '127.0.0.1',
      port: '4001',
      user: 'shiv',
      password: 'a/b',
      name: 'users',
    })
  })
})

test('a sole database is sole among those of the service and those elsewhere', () => {
  const both = modelOf([withRemotes([users], { databases: [postgres] })])
  expect(envOf(buildPlan(both))).not.toHaveProperty('DATABASE_URL')
})

test('what stands in for a dependency is part of the run in mode local only', () => {
  const names = (mode: Remote['mode']) => {
    const local = modelOf([makeService('invoices'), withRemotes([{ ...billing, mode, local: { service: 'invoices' } }])])
    return buildPlan(local, { services: ['orders'] }).services.map(({ name }) => name)
  }
  expect(names('local')).toEqual(['invoices', 'orders'])
  expect(names('staging')).toEqual(['orders'])
  const model = modelOf([
    makeService('accounts', { databases: [postgres] }),
    withRemotes([{ ...users, mode: 'local', local: { database: 'user-db' } }]),
  ])
  const plan = buildPlan(model, { services: ['orders'] })
  expect(plan.databases).toEqual([])
  const here = localise(plan, 'kind', model)
  expect(here.databases).toMatchObject([{ name: 'user-db', users: [] }])
  const policy = here.objects.find(({ kind, metadata }) => kind === 'NetworkPolicy' && metadata.name === 'user-db')
  expect(JSON.stringify(policy)).not.toContain('"values":[]')
})

describe('a change', () => {
  const planOf = (remotes: Remote[]) => {
    const model = modelOf([withRemotes(remotes), makeService('web')])
    return localise(buildPlan(model), 'kind', model)
  }
  const before = planOf([billing])

  test('of mode, rules, access or faults touches nothing in the cluster', () => {
    const changes: Partial<Remote>[] = [
      { mode: 'replay' },
      { rules: { timeouts: { totalMs: 1 } } },
      { access: { level: 'read_only', allow: [{ method: 'POST', path: '/search', why: 'a read' }] } },
      { faults: { errorRate: 0.5 } },
      { target: { kind: 'url', url: 'https://elsewhere.example.com' } },
    ]
    for (const change of changes) {
      const diff = diffPlans(before, planOf([{ ...billing, ...change }]))
      const { remotes, isEmpty, ...others } = diff
      expect(remotes.changed.map(({ name }) => name)).toEqual(['billing'])
      expect(isEmpty).toBe(false)
      for (const items of Object.values(others)) expect(items).toEqual({ added: [], removed: [], changed: [] })
      expect(planHash(before)).not.toBe(planHash(planOf([{ ...billing, ...change }])))
    }
  })

  test('that adds one adds its objects and the environment of those that call it', () => {
    const { objects, services, secrets } = diffPlans(before, planOf([billing, users]))
    expect(objects.added).toEqual(['Service/shiv-shop/users', 'EndpointSlice/shiv-shop/users'])
    expect(objects.changed.map(({ name }) => name)).toEqual(['Deployment/orders'])
    expect(services.changed.map(({ name }) => name)).toEqual(['orders'])
    expect(secrets.added).toEqual(['users-credentials'])
  })
})

describe.each(['kind', 'process'] as const)('parity on %s', (runtime) => {
  const there = buildPlan(four)
  const plan = localise(there, runtime, four)
  const facts = parityFacts(there, plan)
  const of = (id: string) => facts.find((fact) => fact.id === id)

  test('says of each dependency where it leads, in which mode and with what access', () => {
    const entrance = (name: string) => (runtime === 'kind' ? name : 'the daemon’s proxy')
    expect(of('dependency.billing')).toMatchObject({
      production: 'https://billing.example.com',
      local: `${entrance('billing.example.com:443')} to staging (https://billing.staging.example.com), read-only`,
      verdict: 'substituted',
      why: 'production is not for tries',
    })
    expect(of('dependency.ledger')).toMatchObject({
      production: 'http://ledger.payments:80',
      local: `${entrance('ledger.payments:80')} to staging (ledger.payments), read-only, kept in recordings/ledger.har`,
    })
    expect(of('dependency.users')?.local).toBe(`${entrance('users:5432')} to staging (users-db), read-only`)
    expect(of('dependency.search')?.local).toBe(
      `${entrance('search.staging.example.com:443')} to the recording recordings/search.har`,
    )
  })

  test('says who speaks TLS in place of production, and who trusts it', () => {
    const local = runtime === 'kind' ? 'an authority that only pods of shiv-shop that call it trust' : 'plain http on loopback'
    expect(of('tls.billing')).toMatchObject({ verdict: 'substituted', local: expect.stringContaining(local) })
    expect(of('tls.ledger')).toBeUndefined()
  })

  test('explains every difference, with ids that are unique', () => {
    expect(facts.filter(({ why }) => why === 'no substitution explains it')).toEqual([])
    expect(new Set(facts.map(({ id }) => id)).size).toBe(facts.length)
    for (const fact of facts.filter(({ verdict }) => verdict !== 'same')) expect(fact.why, fact.id).toBeTruthy()
  })
})

test('a gRPC service is called as those of the workspace are', () => {
  const model = modelOf([withRemotes([ledgerRpc])])
  expect(envOf(buildPlan(model))['RATES_URL']).toBe('grpc://rates:50051')
  expect(envOf(localise(buildPlan(model), 'kind', model))['RATES_URL']).toBe('grpc://rates:50051')
})

test('is told by shiv plan with every exception and its reason', () => {
  const allow = [{ method: 'POST', path: '/search', why: 'a search is a read' }]
  const allowed = { ...production, allowProduction: { level: 'read_only' as const, why: 'real amounts' } }
  const inProduction = makeRemote('rates', {
    target: { kind: 'url', url: 'https://rates.example.com', environment: 'production' },
  })
  const base = modelOf([withRemotes([{ ...billing, access: { level: 'read_only', allow } }, inProduction])])
  const model = { ...base, environments: { ...base.environments, production: allowed } }
  const lines = renderPlan(localise(buildPlan(model), 'kind', model), createStyle({ colour: false, unicode: true }))
  const text = lines.join('\n').replaceAll(/ +/g, ' ')
  expect(text).toContain('billing http staging read-only for orders')
  expect(text).toContain('billing POST /search a search is a read')
  expect(text).toContain('production production is read real amounts')
})

import { describe, expect, test } from 'vitest'
import { buildPlan } from '../../src/plan/build.ts'
import { localise } from '../../src/plan/localise.ts'
import { parityFacts } from '../../src/plan/parity.ts'
import { getPointer } from '../../src/plan/pointer.ts'
import type { KubeObject, Plan } from '../../src/plan/types.ts'
import type { Service } from '../../src/spec/model.ts'
import type { Remote } from '../../src/spec/remote.ts'
import { makeModel, makeService } from './fixture.ts'
import { makeRemote } from './remotes.ts'

const billing = makeRemote('billing', { production: 'https://billing.example.com' })
const BUNDLE = ['SSL_CERT_FILE', 'REQUESTS_CA_BUNDLE', 'CURL_CA_BUNDLE', 'GRPC_DEFAULT_SSL_ROOTS_FILE_PATH']

function plansOf(...services: Service[]): { production: Plan; kind: Plan } {
  const staging = { name: 'staging', context: 'kind-staging', namespace: 'shop', isProduction: false }
  const model = makeModel(services, { environments: { local: { name: 'local', isProduction: false }, staging } })
  const production = buildPlan(model)
  return { production, kind: localise(production, 'kind', model) }
}
const calling = (...remotes: Remote[]): Plan => plansOf(makeService('orders', { remotes })).kind
const find = (plan: Plan, kind: string, name: string): KubeObject =>
  plan.objects.find((object) => object.kind === kind && object.metadata.name === name)!
const podOf = (object: KubeObject): Record<string, unknown> =>
  getPointer(object, `${object.kind === 'CronJob' ? '/spec/jobTemplate' : ''}/spec/template/spec`) as Record<string, unknown>
const envOf = (object: KubeObject): Record<string, string> => {
  const [container] = podOf(object)['containers'] as { env: { name: string; value: string }[] }[]
  return Object.fromEntries(container!.env.map(({ name, value }) => [name, value]))
}
const aliasesIn = (plan: Plan) => podOf(find(plan, 'Deployment', 'orders'))['hostAliases']

describe('pods of a service that calls what speaks TLS in production', () => {
  const { production, kind } = plansOf(
    makeService('orders', {
      remotes: [billing],
      workers: [{ name: 'mailer', command: ['mail'], replicas: 1 }],
      cron: [{ name: 'tidy', schedule: '0 3 * * *', command: ['tidy'] }],
      migrate: ['migrate'],
    }),
    makeService('web'),
  )

  test.each([
    ['Deployment', 'orders'],
    ['Deployment', 'orders-mailer'],
    ['CronJob', 'orders-tidy'],
    ['Job', 'orders-migrate'],
  ])('%s %s: find it by its name and trust the authority of the run', (type, name) => {
    const object = find(kind, type, name)
    expect(podOf(object)['hostAliases']).toEqual([{ ip: 'shiv-dependency:billing', hostnames: ['billing.example.com'] }])
    const env = envOf(object)
    expect(env['BILLING_URL']).toBe('https://billing.example.com')
    expect(env['NODE_EXTRA_CA_CERTS']).toBe('/etc/shiv/authority/ca.crt')
    for (const variable of BUNDLE) expect(env[variable], variable).toBe('/etc/shiv/authority/trusted.crt')
    expect(podOf(object)['volumes']).toContainEqual({ name: 'shiv-authority', configMap: { name: 'shiv-authority' } })
    const [container] = podOf(object)['containers'] as { volumeMounts: object[] }[]
    expect(container!.volumeMounts).toContainEqual({
      name: 'shiv-authority',
      mountPath: '/etc/shiv/authority',
      readOnly: true,
    })
  })

  test('and nobody else’s, nor production’s, are changed', () => {
    const web = find(kind, 'Deployment', 'web')
    expect(JSON.stringify(web)).not.toMatch(/authority|hostAliases/)
    expect(JSON.stringify(production.objects)).not.toMatch(/shiv-authority|hostAliases/)
    expect(find(kind, 'ConfigMap', 'shiv-authority').metadata.namespace).toBe('shiv-shop')
  })

  test('keep a variable that the service has itself, and parity says so', () => {
    const env = { SSL_CERT_FILE: { kind: 'value' as const, parts: [{ kind: 'text' as const, text: '/company.pem' }] } }
    const own = plansOf(makeService('orders', { remotes: [billing], env }))
    expect(envOf(find(own.kind, 'Deployment', 'orders'))['SSL_CERT_FILE']).toBe('/company.pem')
    const fact = parityFacts(own.production, own.kind).find(({ id }) => id === 'tls.billing')
    expect(fact?.local).toContain('SSL_CERT_FILE stay as the service has them')
  })

  test('differ from production in nothing that is not explained', () => {
    const facts = parityFacts(production, kind)
    expect(facts.filter(({ why }) => why === 'no substitution explains it')).toEqual([])
    const touched = kind.substitutions.find(({ id }) => id === 'tls.billing')?.touches ?? []
    expect(touched).toContain('CronJob/orders-tidy/spec/jobTemplate/spec/template/spec/hostAliases')
    const placeholders = JSON.stringify(facts.map(({ reading }) => reading))
    expect(placeholders).not.toMatch(/shiv-(dependency|authority):/)
  })
})

describe('the name that pods call', () => {
  test('is a Service’s where production’s is one, over TLS at its port', () => {
    const target = { kind: 'service', service: 'ledger', namespace: 'payments', environment: 'staging', tls: true } as const
    const place = { service: 'ledger', namespace: 'payments', port: 443 }
    const plan = calling(makeRemote('ledger', { target, inCluster: place }))
    expect(envOf(find(plan, 'Deployment', 'orders'))['LEDGER_URL']).toBe('https://ledger.payments:443')
    expect(aliasesIn(plan)).toBeUndefined()
    expect(envOf(find(plan, 'Deployment', 'orders'))['NODE_EXTRA_CA_CERTS']).toBeDefined()
    expect(find(plan, 'Service', 'ledger')['spec']).toMatchObject({ ports: [{ name: 'http', port: 443 }] })
  })

  test('has production’s port where that is not 443, and no path: the upstream’s is put in front by the proxy', () => {
    const plan = calling(makeRemote('billing', { production: 'https://api.example.com:8443/billing' }))
    expect(envOf(find(plan, 'Deployment', 'orders'))['BILLING_URL']).toBe('https://api.example.com:8443')
    expect(find(plan, 'Service', 'billing')['spec']).toMatchObject({ ports: [{ port: 80 }, { name: 'tls', port: 8443 }] })
  })

  test('stays that of the Service where production’s host is an address, or leads to several; parity says why', () => {
    const address = makeRemote('billing', { production: 'https://192.0.2.7' })
    const shared = ['billing', 'ledger'].map((name) => makeRemote(name, { production: `https://api.example.com/${name}` }))
    for (const remotes of [[address], shared]) {
      const { production, kind } = plansOf(makeService('orders', { remotes }))
      expect(envOf(find(kind, 'Deployment', 'orders'))['BILLING_URL']).toBe('http://billing:80')
      expect(aliasesIn(kind)).toBeUndefined()
      const fact = parityFacts(production, kind).find(({ id }) => id === 'tls.billing')
      expect(fact).toMatchObject({ verdict: 'absent', why: expect.stringContaining('pods call billing') })
    }
  })

  test('may be several: what hostnames lists leads there too, without TLS where production has none', () => {
    const names = ['old.example.com', 'older.example.com']
    const plain = makeRemote('billing', { production: 'http://billing.example.com', hostnames: names })
    const { production, kind } = plansOf(makeService('orders', { remotes: [plain] }))
    expect(aliasesIn(kind)).toEqual([{ ip: 'shiv-dependency:billing', hostnames: names }])
    expect(envOf(find(kind, 'Deployment', 'orders'))).not.toHaveProperty('NODE_EXTRA_CA_CERTS')
    expect(kind.objects.some(({ metadata }) => metadata.name === 'shiv-authority')).toBe(false)
    expect(parityFacts(production, kind).filter(({ why }) => why === 'no substitution explains it')).toEqual([])
  })

  test('is production’s for gRPC too', () => {
    const rates = makeRemote('rates', { protocol: 'grpc', production: 'https://rates.example.com' })
    expect(envOf(find(calling(rates), 'Deployment', 'orders'))['RATES_URL']).toBe('https://rates.example.com')
  })
})

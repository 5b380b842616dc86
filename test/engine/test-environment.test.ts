import { expect, test } from 'vitest'
import { testEnvironment } from '../../src/engine/test-environment.ts'
import type { EnvPlan, Plan, ServicePlan } from '../../src/plan/types.ts'

const value = (name: string, parts: Extract<EnvPlan['source'], { kind: 'value' }>['parts'], from?: string): EnvPlan => ({
  name,
  source: { kind: 'value', parts },
  ...(from !== undefined && { from }),
})
const text = (name: string, words: string, from?: string): EnvPlan => value(name, [{ kind: 'text', text: words }], from)

function planOf(env: EnvPlan[]): { plan: Plan; service: ServicePlan } {
  const service = { name: 'orders', env } as unknown as ServicePlan
  const plan = {
    services: [service, { name: 'user-service' }, { name: 'worker' }],
    remotes: [{ name: 'billing', urlTemplate: 'https://${host}:${port}' }],
    secrets: [
      { name: 'orders-stripe', keys: [{ key: 'key', variable: 'STRIPE_KEY' }] },
      { name: 'orders-mail', keys: [{ key: 'key', variable: 'MAIL_KEY' }] },
    ],
  } as unknown as Plan
  return { plan, service }
}

const addresses = {
  databases: [{ name: 'orders-db', url: 'postgresql://app:p%40ss@127.0.0.1:30001/orders' }],
  service: (name: string) => ({ orders: 'http://localhost:7901', 'user-service': 'localhost:7902' })[name],
  dependency: (name: string) => (name === 'billing' ? { host: '127.0.0.1', port: 7950 } : undefined),
  secretValue: (variable: string) => (variable === 'STRIPE_KEY' ? 'sk_test' : undefined),
}

test('tests get the names that the service has in production, with addresses of this machine', () => {
  const { plan, service } = planOf([
    value('DATABASE_URL', [{ kind: 'database', database: 'orders-db', field: 'url' }], 'database orders-db'),
    value('PGPASSWORD', [{ kind: 'database', database: 'orders-db', field: 'password' }]),
    value('PGNAME', [{ kind: 'database', database: 'orders-db', field: 'name' }]),
    value('USERS', [
      { kind: 'service', service: 'user-service', field: 'host' },
      { kind: 'text', text: '!' },
    ]),
    value('USERS_PORT', [{ kind: 'service', service: 'user-service', field: 'port' }]),
    value('BILLING_URL', [{ kind: 'dependency', dependency: 'billing', field: 'url' }], 'dependency billing'),
    text('GREETING', 'hi'),
    { name: 'STRIPE', source: { kind: 'secret', secret: 'stripe', key: 'key' } },
  ])
  expect(testEnvironment(plan, service, addresses)).toEqual({
    SHIV_URL: 'http://localhost:7901',
    ORDERS_URL: 'http://localhost:7901',
    USER_SERVICE_URL: 'localhost:7902',
    DATABASE_URL: 'postgresql://app:p%40ss@127.0.0.1:30001/orders',
    PGPASSWORD: 'p@ss',
    PGNAME: 'orders',
    USERS: 'localhost!',
    USERS_PORT: '7902',
    BILLING_URL: 'https://127.0.0.1:7950',
    GREETING: 'hi',
    STRIPE: 'sk_test',
  })
})

test("what is the process's own, and what has no value here, is left out", () => {
  const { plan, service } = planOf([
    text('PORT', '3000', 'platform'),
    text('NODE_ENV', 'production', 'preset node'),
    value('CACHE_URL', [{ kind: 'database', database: 'gone', field: 'url' }]),
    value('LEDGER_URL', [{ kind: 'dependency', dependency: 'ledger', field: 'url' }]),
    value('WORKER', [{ kind: 'service', service: 'worker', field: 'url' }]),
    { name: 'MAIL', source: { kind: 'secret', secret: 'mail', key: 'key' } },
  ])
  expect(Object.keys(testEnvironment(plan, service, addresses)).sort()).toEqual(['ORDERS_URL', 'SHIV_URL', 'USER_SERVICE_URL'])
})

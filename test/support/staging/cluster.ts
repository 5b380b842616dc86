import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse, stringify } from 'yaml'
import type { TestCluster } from '../cluster.ts'
import { createAuthority } from '../authority.ts'

export const STAGING = {
  namespace: 'staging-e2e',
  token: 'staging-token-0123456789abcdef',
  password: 'pod-secret-0123456789',
  images: ['postgres:15-alpine', 'redis:7-alpine', 'node:20-slim'],
}

/** A staging in a namespace of the test's cluster, reached with the rights of somebody who may look there and forward ports, and no more. */
export interface StagingCluster {
  /** One context, `staging`, whose credential plugin prints a ServiceAccount's token. */
  kubeconfig: string
  /** The HTTPS service at the node's own address. */
  billingUrl: string
  authority: string
  /** In the staging Postgres and Redis, past everything. */
  sql(text: string): string
  redis(...words: string[]): string
  scale(name: string, replicas: number): void
  remove(): void
}

/** What the HTTP service runs: it counts what was posted, over TLS behind a token and without TLS; and gRPC, where `Set` counts as well and every price is 2.50. */
const SERVICE = `
const { createServer } = require('node:http'); const secure = require('node:https'); const fs = require('node:fs')
const http2 = require('node:http2')
const posted = []
const serve = (request, response) => {
  if (request.socket.encrypted && request.headers.authorization !== 'Bearer ' + process.env.TOKEN) return response.writeHead(401).end()
  if (request.method === 'POST') posted.push(request.url)
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ path: request.url, posted }))
}
createServer(serve).listen(8080)
const calls = http2.createServer()
calls.on('stream', (stream, headers) => {
  if (headers[':path'].endsWith('/Set')) posted.push(headers[':path'])
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
  stream.once('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
  stream.end(Buffer.from([0, 0, 0, 0, 6, 10, 4, 50, 46, 53, 48]))
})
calls.listen(8081)
secure.createServer({ cert: fs.readFileSync('/tls/cert'), key: fs.readFileSync('/tls/key') }, serve).listen(8443)
`

export async function makeStaging(test: TestCluster, folder: string): Promise<StagingCluster> {
  const { namespace, password, token } = STAGING
  mkdirSync(folder, { recursive: true })
  const authority = createAuthority(folder)
  const address = test.cluster.nodes[0]?.address
  if (address === undefined) throw new Error('the node has no address that this machine reaches')
  const tls = authority.issue(address)
  await test.driver.deliver(test.cluster, STAGING.images, { signal: AbortSignal.timeout(180_000), progress() {} })
  const kubectl = (...argv: string[]): string => test.kubectl('-n', namespace, ...argv)
  const [postgres, redis, node] = STAGING.images as [string, string, string]
  const rules = [
    { apiGroups: [''], resources: ['services', 'pods'], verbs: ['get', 'list'] },
    { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: ['get', 'list'] },
    { apiGroups: [''], resources: ['pods/portforward'], verbs: ['get', 'create'] },
    { apiGroups: [''], resources: ['secrets'], verbs: ['get'] },
  ]
  const meta = (name: string) => ({ name, namespace })
  const items = [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } },
    { apiVersion: 'v1', kind: 'Secret', metadata: meta('tls'), stringData: { cert: tls.cert, key: tls.key } },
    {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: meta('users-db-credentials'),
      stringData: { user: 'postgres', password, name: 'postgres' },
    },
    { apiVersion: 'v1', kind: 'Secret', metadata: meta('cache-credentials'), stringData: { password } },
    deployment('users-db', postgres, 5432, { env: { POSTGRES_PASSWORD: password } }),
    service('users-db', 5432),
    deployment('cache', redis, 6379, { args: ['--requirepass', password] }),
    service('cache', 6379),
    deployment('ledger', node, 8080, { command: ['node', '-e', SERVICE], env: { TOKEN: token }, secret: 'tls' }),
    service('ledger', 8080),
    service('prices', 8081, 'ledger'),
    { ...service('billing', 8443, 'ledger'), spec: { type: 'NodePort', selector: { app: 'ledger' }, ports: [{ port: 8443 }] } },
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: meta('developer') },
    { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'Role', metadata: meta('developer'), rules },
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'RoleBinding',
      metadata: meta('developer'),
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'developer' },
      subjects: [{ kind: 'ServiceAccount', name: 'developer', namespace }],
    },
  ]
  const file = join(folder, 'objects.json')
  writeFileSync(file, JSON.stringify({ apiVersion: 'v1', kind: 'List', items }))
  test.kubectl('apply', '-f', file)
  for (const name of ['users-db', 'cache', 'ledger']) kubectl('rollout', 'status', `deployment/${name}`, '--timeout=180s')
  const port = kubectl('get', 'service', 'billing', '-o', 'jsonpath={.spec.ports[0].nodePort}')
  const kubeconfig = join(folder, 'kubeconfig')
  const login = kubectl('create', 'token', 'developer').trim()
  writeFileSync(join(folder, 'login.sh'), loginScript(login), { mode: 0o700 })
  writeFileSync(kubeconfig, kubeconfigOf(test), { mode: 0o600 })
  return {
    kubeconfig,
    billingUrl: `https://${address}:${port}`,
    authority: authority.ca,
    sql: (text) => kubectl('exec', 'deployment/users-db', '--', 'psql', '-U', 'postgres', '-Atc', text).trim(),
    redis: (...words) =>
      kubectl('exec', 'deployment/cache', '--', 'redis-cli', '--no-auth-warning', '-a', password, ...words).trim(),
    scale: (name, replicas) => {
      kubectl('scale', `deployment/${name}`, `--replicas=${replicas}`)
      if (replicas === 0) kubectl('wait', '--for=delete', 'pod', '-l', `app=${name}`, '--timeout=120s')
      else kubectl('rollout', 'status', `deployment/${name}`, '--timeout=120s')
    },
    remove: () => void test.kubectl('delete', 'namespace', namespace, '--wait=false'),
  }
}

const PLUGIN = 'client.authentication.k8s.io/v1'

/** A credential plugin, as clouds have them. */
function loginScript(token: string): string {
  const expirationTimestamp = new Date(Date.now() + 3_600_000).toISOString()
  const credential = { kind: 'ExecCredential', apiVersion: PLUGIN, status: { token, expirationTimestamp } }
  return `#!/bin/sh\ncat <<'EOF'\n${JSON.stringify(credential)}\nEOF\n`
}

function kubeconfigOf(test: TestCluster): string {
  const { clusters } = parse(readFileSync(test.cluster.kubeconfig, 'utf8')) as { clusters: { cluster: object }[] }
  return stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'staging', cluster: clusters[0]!.cluster }],
    users: [{ name: 'developer', user: { exec: { apiVersion: PLUGIN, command: './login.sh', interactiveMode: 'Never' } } }],
    contexts: [{ name: 'staging', context: { cluster: 'staging', user: 'developer' } }],
  })
}

function deployment(
  name: string,
  image: string,
  port: number,
  more: { env?: Record<string, string>; args?: string[]; command?: string[]; secret?: string },
): object {
  const { env = {}, args, command, secret } = more
  const container = {
    name,
    image,
    imagePullPolicy: 'IfNotPresent',
    ...(args && { args }),
    ...(command && { command }),
    env: Object.entries(env).map(([name, value]) => ({ name, value })),
    readinessProbe: { tcpSocket: { port }, periodSeconds: 1 },
    ...(secret && { volumeMounts: [{ name: 'tls', mountPath: '/tls' }] }),
  }
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace: STAGING.namespace },
    spec: {
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name } },
        spec: {
          terminationGracePeriodSeconds: 0,
          containers: [container],
          ...(secret && { volumes: [{ name: 'tls', secret: { secretName: secret } }] }),
        },
      },
    },
  }
}

function service(name: string, port: number, app = name): object {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: STAGING.namespace },
    spec: { selector: { app }, ports: [{ port }] },
  }
}

import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { DependencyStatus } from '../../src/wire/messages.ts'
import { acquireCluster, testClusterName, whyNoCluster, type TestCluster } from '../support/cluster.ts'
import { openShiv, readRun, tinyService, writeTree, type OwnShiv } from '../support/own-shiv.ts'
import { makeStaging, STAGING, type StagingCluster } from '../support/staging/cluster.ts'
import { ordersIn } from '../support/staging/orders-in.ts'
import { callerProgram } from '../support/staging/workspace.ts'

const why = whyNoCluster()
if (why) console.log(`test/e2e/kind-dependencies: skipped, ${why}`)

let test: TestCluster
let staging: StagingCluster
let own: OwnShiv
let shop: string

describe.skipIf(why !== undefined)('a service in the local cluster that calls staging', () => {
  beforeAll(async () => {
    test = await acquireCluster()
    own = await openShiv('kind-dependencies')
    staging = await makeStaging(test, join(own.folder, 'staging'))
    staging.sql("create table people (name text); insert into people values ('ada'), ('grace')")
    staging.redis('SET', 'greeting', 'hello')
    shop = join(own.folder, 'shop')
    Object.assign(own.env, { KUBECONFIG: staging.kubeconfig, STAGING_TOKEN: STAGING.token })
    await writeTree(shop, {
      'shiv.yaml': `name: calls\ncluster: { name: ${testClusterName()} }\nenvironments:\n  staging: { context: staging, namespace: ${STAGING.namespace} }\n`,
      'certificates/staging.pem': staging.authority,
      ...tinyService('stub'),
      'stub/server.js':
        "import { createServer } from 'node:http'\ncreateServer((_, response) => response.end('the stub')).listen(process.env.PORT)\n",
      ...tinyService('orders'),
      'orders/server.cjs': await callerProgram(),
      'orders/service.yaml': ordersYaml(staging.billingUrl),
      'clerk/service.yaml': clerkYaml(staging.billingUrl),
      'clerk/main.py': CLERK,
    })
    await own.shiv(['start', '--runtime', 'kind'], { cwd: shop })
  }, 600_000)

  afterAll(async () => {
    await own?.shiv(['stop', '--purge', '--yes'], { cwd: shop, reject: false })
    await own?.close()
    staging?.remove()
    test?.release()
  }, 180_000)

  it('reads it by the names of production: over TLS, through the API server, from Postgres and from Redis', async () => {
    const first = await http('BILLING_URL', '/invoices')
    expect(first, first.body).toMatchObject({ status: 200, servedBy: expect.stringMatching(/^staging/) })
    expect(await http('LEDGER_URL', '/entries')).toMatchObject({ status: 200, body: expect.stringContaining('/entries') })
    expect(await sql('select count(*)::int from people')).toEqual({ rows: [{ count: 2 }] })
    expect(await redis('GET', 'greeting')).toEqual({ answer: 'hello' })
    expect(await variableOf('BILLING_URL')).toMatch(/^http:\/\/billing(:|$|\.)/)
  })

  it('is called by https under the name that it has in production, by Node and by Python', async () => {
    expect(await variableOf('INVOICES_URL')).toBe(INVOICES)
    const first = await http('INVOICES_URL', '/invoices')
    expect(first, first.body).toMatchObject({ status: 200, servedBy: expect.stringMatching(/^staging/) })
    expect(await http('INVOICES_URL', '/invoices', 'POST')).toMatchObject({ status: 403 })
    expect(await askClerk('/invoices')).toMatch(/^200 staging .*"path":"\/invoices"/)
    // The names inside of the cluster are its own too, and what was plain stays so.
    const inside = await own.shiv(['exec', 'orders', '--', 'node', '-e', insideProgram(new URL(staging.billingUrl).port)], {
      cwd: shop,
    })
    expect(inside.trim().split('\n')).toEqual(['200', '200', '200'])
  })

  it('trusts nobody else’s authority with it, and other namespaces do not trust ours', async () => {
    const address = test.kubectl('-n', 'shiv-calls', 'get', 'service', 'invoices', '-o', 'jsonpath={.spec.clusterIP}')
    const stranger = ['run', 'stranger', '--image=node:20-slim', '--image-pull-policy=IfNotPresent', '--restart=Never']
    test.kubectl('-n', STAGING.namespace, ...stranger, '--', 'node', '-e', strangerProgram(address))
    const phase = () => test.kubectl('-n', STAGING.namespace, 'get', 'pod', 'stranger', '-o', 'jsonpath={.status.phase}')
    await expect.poll(phase, { timeout: 60_000 }).toBe('Succeeded')
    const told = test.kubectl('-n', STAGING.namespace, 'logs', 'stranger').trim()
    expect(told).toMatch(/^(SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_GET_ISSUER_CERT_LOCALLY|UNABLE_TO_VERIFY_LEAF_SIGNATURE)$/)
    expect(test.kubectl('-n', STAGING.namespace, 'get', 'configmap', '-o', 'name')).not.toContain('shiv-authority')
  })

  it('is told by shiv parity, and what it says of the pods is so', async () => {
    const told = await own.shiv(['parity', '--json'], { cwd: shop, reject: false })
    const { facts } = JSON.parse(told) as { facts: { id: string; verdict: string; local: string; live?: { verdict: string } }[] }
    const of = (id: string) => facts.find((fact) => fact.id === id)
    expect(of('tls.invoices')).toMatchObject({
      verdict: 'substituted',
      local: expect.stringContaining('only pods of shiv-calls'),
    })
    const drifted = facts.filter(({ id, live }) => id.startsWith('service.orders.deployment') && live?.verdict === 'drifted')
    expect(drifted).toEqual([])
  })

  it('does not write to it, and the count there proves it', async () => {
    expect(await http('BILLING_URL', '/invoices', 'POST')).toMatchObject({
      status: 403,
      body: expect.stringContaining('read-only'),
    })
    expect(await http('LEDGER_URL', '/entries', 'POST')).toMatchObject({ status: 403 })
    expect(await sql("insert into people values ('eve')")).toMatchObject({ error: { code: '25006' } })
    expect(JSON.stringify(await redis('SET', 'greeting', 'gone'))).toMatch(/read-only/)
    expect(JSON.parse((await http('BILLING_URL', '/invoices')).body)).toMatchObject({ posted: [] })
    expect(staging.sql('select count(*) from people')).toBe('2')
    expect(staging.redis('GET', 'greeting')).toBe('hello')
  })

  it('is led to what is local and back while it runs, and no pod is replaced or restarted', async () => {
    const before = await pods()
    await proxy('mode', 'billing', 'local')
    expect(await http('BILLING_URL', '/invoices')).toMatchObject({ body: 'the stub', servedBy: expect.stringContaining('local') })
    await proxy('mode', 'users', 'local')
    expect(await sql('create table if not exists mine (n int)')).toEqual({ rows: [] })
    expect(await sql('insert into mine values (1) returning n')).toEqual({ rows: [{ n: 1 }] })
    await proxy('mode', 'cache', 'local')
    expect(await redis('SET', 'greeting', 'local')).toEqual({ answer: 'OK' })
    for (const name of ['billing', 'users', 'cache']) await proxy('mode', name, '--reset')
    expect((await http('BILLING_URL', '/invoices')).servedBy).toMatch(/^staging/)
    expect(await sql('select count(*)::int from people')).toEqual({ rows: [{ count: 2 }] })
    expect(await redis('GET', 'greeting')).toEqual({ answer: 'hello' })
    expect(await pods()).toEqual(before)
  })

  it('comes back after a daemon that was killed, at the same addresses', async () => {
    const [before, number, running] = [await list(), await serialNumber(), await pods()]
    await killDaemon()
    expect((await list()).map(shape)).toEqual(before.map(shape))
    expect(await serialNumber()).not.toBe(number) // of a certificate that the new daemon has made, by the same authority
    expect(await sql('select count(*)::int from people')).toEqual({ rows: [{ count: 2 }] })
    expect(await http('LEDGER_URL', '/after')).toMatchObject({ status: 200 })
    await own.shiv(['start'], { cwd: shop }) // the token of the shell is known again
    expect((await http('BILLING_URL', '/invoices')).status).toBe(200)
    expect((await http('INVOICES_URL', '/invoices')).status).toBe(200)
    expect(await askClerk('/invoices')).toMatch(/^200 /)
    expect(await pods()).toEqual(running)
  })

  it('is recorded, and played from the recording with staging gone', async () => {
    const recorded = await http('SEARCH_URL', '/find?q=beans')
    expect(recorded.status).toBe(200)
    await http('LEDGER_URL', '/entries?page=2')
    await proxy('mode', 'ledger', 'replay')
    const yaml = await readFile(join(shop, 'orders/service.yaml'), 'utf8')
    await writeFile(join(shop, 'orders/service.yaml'), yaml.replace('mode: record, auth', 'mode: replay, auth'))
    await own.shiv(['start'], { cwd: shop })
    staging.scale('ledger', 0)
    try {
      expect((await list()).map(({ name, mode }) => [name, mode])).toContainEqual(['search', 'replay'])
      expect(await http('SEARCH_URL', '/find?q=beans')).toMatchObject({ status: 200, body: recorded.body })
      expect(await http('LEDGER_URL', '/entries?page=2')).toMatchObject({ status: 200 })
      expect((await http('SEARCH_URL', '/find?q=tea')).body).toContain('/find?q=beans')
      expect((await http('BILLING_URL', '/invoices')).status).toBeGreaterThanOrEqual(500)
    } finally {
      staging.scale('ledger', 1)
    }
    await expect.poll(async () => (await http('BILLING_URL', '/invoices')).status, { timeout: 30_000 }).toBe(200)
    expect(await readFile(join(shop, 'recordings/search.har'), 'utf8')).not.toContain(STAGING.token)
  }, 240_000)
})

const { http, sql, redis, proxy, list, killDaemon } = ordersIn(() => ({ own, shop }))
const shape = ({ name, port, mode }: DependencyStatus) => [name, port, mode]

const pods = async () =>
  (await readRun(own, shop)).services.map(({ name, replicas }) => [name, replicas.map(({ id, restarts }) => [id, restarts])])

const variableOf = (name: string): Promise<string> =>
  own.shiv(['exec', 'orders', '--', 'node', '-p', `process.env.${name}`], { cwd: shop })

/** Of the certificate that pods are shown under production's name. */
const serialNumber = (): Promise<string> =>
  own.shiv(
    [
      'exec',
      'orders',
      '--',
      'node',
      '-e',
      "const s = require('tls').connect({ host: 'invoices.example.com', port: 443, servername: 'invoices.example.com' }, () => { console.log(s.getPeerCertificate().serialNumber); s.destroy() })",
    ],
    { cwd: shop },
  )

async function askClerk(path: string): Promise<string> {
  const { directUrl } = (await readRun(own, shop)).services.find(({ name }) => name === 'clerk')!
  return (await fetch(directUrl + path)).text()
}

/** What production calls it; nobody has such a name. */
const INVOICES = 'https://invoices.example.com'

/** Answers with what its dependency answered, by Python's own client and nothing that knows of shiv. */
const CLERK = `
import os, urllib.request, urllib.error
from http.server import BaseHTTPRequestHandler, HTTPServer
class Clerk(BaseHTTPRequestHandler):
    def do_GET(self):
        text = 'ok'
        if self.path.startswith('/invoices'):
            try:
                with urllib.request.urlopen(os.environ['INVOICES_URL'] + self.path, timeout=10) as answer:
                    text = f"{answer.status} {answer.headers['shiv-served-by']} {answer.read().decode()}"
            except Exception as error:
                text = repr(error)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(text.encode())
HTTPServer(('', int(os.environ['PORT'])), Clerk).serve_forever()
`

function insideProgram(port: string): string {
  const urls = ['https://invoices', 'https://invoices.shiv-calls.svc.cluster.local', `http://invoices:${port}`]
  return `(async () => { for (const url of ${JSON.stringify(urls)}) console.log((await fetch(url + '/invoices')).status) })()`
}

/** Connects as a pod that was told of no authority, and says why it went no further. */
function strangerProgram(address: string): string {
  return `const s = require('tls').connect({ host: '${address}', port: 443, servername: 'invoices.example.com' }, () => { console.log('trusted'); s.destroy() }); s.on('error', (error) => console.log(error.code))`
}

function clerkYaml(billingUrl: string): string {
  return `name: clerk
language: python
scaling: { min_replicas: 1, max_replicas: 1 }
observability: { logging: plain }
dependencies:
${invoicesYaml(billingUrl)}
`
}

/** What is the same for all who call it. */
function invoicesYaml(billingUrl: string): string {
  return `  - invoices:
      http: ${billingUrl}
      env: staging
      production: ${INVOICES}
      tls: { ca: certificates/staging.pem }
      auth: { bearer: { env: STAGING_TOKEN } }`
}

function ordersYaml(billingUrl: string): string {
  const outside = `http: ${billingUrl}, env: staging, tls: { ca: certificates/staging.pem }`
  const token = 'auth: { bearer: { env: STAGING_TOKEN } }'
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
  LEDGER_URL: \${dependencies.ledger.url}
  SEARCH_URL: \${dependencies.search.url}
  USERS_URL: \${dependencies.users.url}
  CACHE_URL: \${dependencies.cache.url}
dependencies:
  - billing: { ${outside}, mode: staging, ${token}, local: stub }
  - ledger: { service: ledger, env: staging, mode: record }
  - users: { database: users-db, env: staging, type: postgres, mode: staging, local: own-users }
  - search: { ${outside}, mode: record, ${token} }
  - cache: { database: cache, env: staging, type: redis, mode: staging, local: own-cache }
${invoicesYaml(billingUrl)}
`
}

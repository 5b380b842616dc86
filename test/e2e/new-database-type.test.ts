import { execa } from 'execa'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { acquireCluster, testClusterName, whyNoCluster, type TestCluster } from '../support/cluster.ts'
import { openShiv, readRun, tinyService, writeTree, type OwnShiv } from '../support/own-shiv.ts'

/** The whole of a new type: one file in the workspace. The server is Redis under another name, port and set of variables. */
const kvstore = `name: kvstore
image: redis:\${version}
version: "7"
port: 7654
scheme: kv
user: 999
data_path: /var/kv
storage: 64Mi
container:
  env:
    REDISCLI_AUTH: \${password}
  command:
    - sh
    - -c
    - |
      exec redis-server - <<END
      port \${port}
      dir \${data}
      appendonly yes
      requirepass "$REDISCLI_AUTH"
      END
  writable_paths: [/tmp]
  resources: { cpu: 20m, memory: 32Mi, memory_limit: 128Mi }
health:
  command: [sh, -c, "redis-cli -p \${port} ping | grep -q PONG"]
url: \${scheme}://app:\${password}@\${host}:\${port}
credentials: { password: true }
offers:
  \${NAME}_ADDRESS: url
  KV_HOST_OF_\${NAME}: host
offers_when_sole:
  KV_URL: url
process:
  binaries: [valkey-server, redis-server]
  install: { debian: sudo apt-get install -y redis-server, other: brew install valkey }
  config: |
    bind 127.0.0.1
    port \${port}
    dir "\${data}"
    appendonly yes
    requirepass "\${password}"
  run: ["\${server}", "\${config}"]
  stop: SIGTERM
  health: { kind: redis }
`

/** Speaks to the store as any client would: AUTH, then SET or GET by the path of the request. */
const server = `import { createServer } from 'node:http'
import { connect } from 'node:net'
const { password, hostname, port } = new URL(process.env.KV_URL)
const ask = (words) => new Promise((resolve, reject) => {
  const socket = connect(Number(port), hostname, () => socket.end('AUTH ' + password + '\\r\\n' + words + '\\r\\nQUIT\\r\\n'))
  let text = ''
  socket.setEncoding('utf8').on('data', (more) => (text += more)).on('error', reject).on('close', () => resolve(text))
})
const server = createServer(async (request, response) => {
  const [, verb, key, value] = request.url.split('/')
  if (verb === 'env') return response.end(JSON.stringify(process.env))
  try {
    response.end(await ask(verb === 'set' ? 'SET ' + key + ' ' + value : 'GET ' + key))
  } catch (error) {
    response.writeHead(500).end(String(error))
  }
}).listen(process.env.PORT)
process.on('SIGTERM', () => server.close(() => process.exit(0)))
`

let own: OwnShiv
let shop: string

beforeAll(async () => {
  own = await openShiv('new-database')
  shop = join(own.folder, 'shop')
  await writeTree(shop, {
    ...tinyService('counter', 'health: /get/health\ndatabases: [ {kvstore: tallies} ]\n'),
    'counter/server.js': server,
    'presets/databases/kvstore.yaml': kvstore,
    'shiv.yaml': `name: newtype\ncluster: { name: ${testClusterName()} }\n`,
  })
})

afterAll(async () => {
  await own.shiv(['stop', '--purge', '--yes'], { cwd: shop, reject: false })
  await own.close()
}, 120_000)

describe.sequential('a database type that is one file of the workspace', () => {
  it('runs without Docker and keeps what is written', async ({ skip }) => {
    if (!(await hasServer())) return skip('skipped: neither valkey-server nor redis-server is on this machine')
    await own.shiv(['start', '--runtime', 'process'], { cwd: shop })
    await servesAndKeeps('process')
    await own.shiv(['stop', '--purge', '--yes'], { cwd: shop })
  }, 120_000)

  it('runs in the cluster from the same file', async ({ skip }) => {
    const why = whyNoCluster()
    if (why !== undefined) return skip(`skipped: ${why}`)
    const cluster: TestCluster = await acquireCluster()
    try {
      await own.shiv(['start', '--runtime', 'kind'], { cwd: shop })
      await servesAndKeeps('kind')
      const image = ['get', 'statefulset', 'tallies', '-o', 'jsonpath={.spec.template.spec.containers[0].image}']
      expect(cluster.kubectl('-n', 'shiv-newtype', ...image)).toBe('redis:7')
    } finally {
      cluster.release()
    }
  }, 300_000)

  it('is known by name: a slip is answered with it', async () => {
    await writeFile(join(shop, 'counter', 'service.yaml'), 'name: counter\nlanguage: node\ndatabases: [ {kvstor: tallies} ]\n')
    const { exitCode, stderr } = await failing()
    expect(exitCode).toBe(2)
    expect(stderr).toContain('error[SPEC_UNKNOWN_DATABASE]')
    expect(stderr).toContain('did you mean "kvstore"?')
  })
})

async function servesAndKeeps(runtime: string): Promise<void> {
  const env = JSON.parse(await get('env')) as Record<string, string>
  expect(env['KV_URL']).toMatch(/^kv:\/\/app:.{16,}@/)
  expect(env['TALLIES_ADDRESS']).toBe(env['KV_URL'])
  expect(env['KV_HOST_OF_TALLIES']).toBe(new URL(env['KV_URL']!).hostname)
  await get('set/visits/41')
  await own.shiv(['stop'], { cwd: shop })
  await own.shiv(['start', '--runtime', runtime], { cwd: shop })
  expect(await get('get/visits')).toContain('\r\n41\r\n')
  const [database] = (await readRun(own, shop)).databases
  expect(database).toMatchObject({ name: 'tallies', type: 'kvstore', state: 'ready' })
  expect(database!.version).toMatch(/^7|^8/)
}

async function get(path: string): Promise<string> {
  const { directUrl } = (await readRun(own, shop)).services[0]!
  const response = await fetch(`${directUrl}/${path}`)
  expect(response.status).toBe(200)
  return response.text()
}

async function hasServer(): Promise<boolean> {
  const asked = await Promise.all(
    ['valkey-server', 'redis-server'].map((program) => execa(program, ['--version'], { reject: false })),
  )
  return asked.some(({ exitCode }) => exitCode === 0)
}

function failing() {
  return own.shiv(['start', '--runtime', 'process'], { cwd: shop }).then(
    () => ({ exitCode: 0, stderr: '' }),
    (error: { exitCode: number; stderr: string }) => error,
  )
}

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { stringify } from 'yaml'
import { reachCluster } from '../../../src/drivers/dependency/reach-cluster.ts'
import type { Reach } from '../../../src/engine/dependency-ports.ts'
import type { RemoteCredentials, RemoteTarget } from '../../../src/plan/remote.ts'
import { startStagingApi, type StagingApi, type StagingObjects } from '../../support/staging/api-server.ts'
import { createAuthority } from '../../support/authority.ts'

let folder: string
let api: StagingApi
let objects: StagingObjects
let echo: Server
const concealed: string[] = []
const reaches: Reach[] = []
const soon = () => AbortSignal.timeout(5_000)

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'shiv-reach-'))
  const authority = createAuthority(folder)
  echo = createServer((socket) => socket.pipe(socket))
  await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', resolve))
  objects = {
    namespace: 'shop',
    token: 'token-1',
    services: { 'users-db': (echo.address() as AddressInfo).port },
    secrets: {
      full: { user: 'ada', password: 's3cret-of-ada', name: 'people' },
      odd: { login: 'grace', word: 's3cret-of-grace' },
      poor: { user: 'eve' },
    },
  }
  api = await startStagingApi(authority.issue('127.0.0.1'), objects)
  // Each asking gives the next token, as a login that is renewed does.
  const plugin = join(folder, 'plugin.cjs')
  writeFileSync(
    plugin,
    `const fs = require('node:fs'); const file = ${JSON.stringify(join(folder, 'asked'))}
let n = 1; try { n += Number(fs.readFileSync(file, 'utf8')) } catch {}
fs.writeFileSync(file, String(n)); console.log(JSON.stringify({ status: { token: 'token-' + n, expirationTimestamp: '2099-01-01T00:00:00Z' } }))`,
  )
  writeFileSync(
    join(folder, 'kubeconfig'),
    stringify({
      clusters: [{ name: 'c', cluster: { server: `https://127.0.0.1:${api.port}`, 'certificate-authority': 'ca.pem' } }],
      users: [{ name: 'u', user: { exec: { command: process.execPath, args: [plugin] } } }],
      contexts: [{ name: 'staging', context: { cluster: 'c', user: 'u' } }],
    }),
  )
})
afterAll(async () => {
  await Promise.all(reaches.map((reach) => reach.close()))
  await api.end()
  await new Promise((resolve) => echo.close(resolve))
  rmSync(folder, { recursive: true, force: true })
})

async function reach(credentials: RemoteCredentials, context: string | undefined = 'staging'): Promise<Reach> {
  const target: RemoteTarget = {
    kind: 'database',
    database: 'users-db',
    type: 'postgres',
    namespace: 'shop',
    environment: 'staging',
    credentials,
  }
  const environment = { name: 'staging', isProduction: false, ...(context !== '' && { context }) }
  const caller = {
    folder,
    environment: { KUBECONFIG: join(folder, 'kubeconfig'), PATH: process.env['PATH'], PASSWORD: 's3cret-of-env' },
    conceal: (secret: string) => void concealed.push(secret),
  }
  const made = await reachCluster(target, environment, caller)
  reaches.push(made)
  return made
}
const credentialsOf = async (source: RemoteCredentials) => (await reach(source)).upstream.credentials!(soon())

it('leads to the pod behind a Service, and asks for a new credential when the server does not take this one', async () => {
  objects.token = 'token-2'
  const { upstream } = await reach({ env: 'PASSWORD' })
  const socket = (await upstream.connect!(soon())) as Duplex
  socket.write('through the API server')
  const [answer] = (await new Promise((resolve) => socket.once('data', (...data) => resolve(data)))) as Buffer[]
  expect(String(answer)).toBe('through the API server')
  socket.destroy()
  expect(readFileSync(join(folder, 'asked'), 'utf8')).toBe('2')
  expect([upstream.label, upstream.url.href]).toEqual(['staging (users-db)', 'postgres://users-db.shop'])
})

it('reads credentials from a Secret there, a variable and a command, and has each of them concealed', async () => {
  objects.token = 'token-3'
  writeFileSync(join(folder, 'asked'), '2')
  expect(await credentialsOf({ secret: 'full' })).toEqual({ user: 'ada', password: 's3cret-of-ada', database: 'people' })
  writeFileSync(join(folder, 'asked'), '2')
  expect(await credentialsOf({ secret: 'odd', keys: { user: 'login', password: 'word' } })).toEqual({
    user: 'grace',
    password: 's3cret-of-grace',
  })
  expect(await credentialsOf({ user: 'me', env: 'PASSWORD' })).toEqual({ user: 'me', password: 's3cret-of-env' })
  expect(await credentialsOf({ command: [process.execPath, '-p', '"s3cret-of-command"'] })).toEqual({
    user: '',
    password: 's3cret-of-command',
  })
  for (const who of ['ada', 'grace', 'env', 'command']) expect(concealed).toContain(`s3cret-of-${who}`)
})

it('says what is missing of credentials, with a command that shows it', async () => {
  const failureOf = async (source: RemoteCredentials) => {
    writeFileSync(join(folder, 'asked'), '2')
    return credentialsOf(source).catch((error: unknown) => error)
  }
  expect(await failureOf({ secret: 'poor' })).toMatchObject({
    code: 'DEPENDENCY_CREDENTIALS',
    message: expect.stringContaining('no key password'),
    hint: 'kubectl --context staging -n shop get secret poor',
  })
  expect(await failureOf({ secret: 'none' })).toMatchObject({
    message: expect.stringContaining('there is no Secret none in shop'),
  })
  expect(await failureOf({ env: 'NOWHERE' })).toMatchObject({ hint: 'export NOWHERE=… && shiv start' })
})

it('needs a context, and one that the kubeconfig has', async () => {
  await expect(reach({ env: 'PASSWORD' }, '')).rejects.toMatchObject({ code: 'DEPENDENCY_NO_CONTEXT' })
  await expect(reach({ env: 'PASSWORD' }, 'stagin')).rejects.toMatchObject({ code: 'DEPENDENCY_CONTEXT_UNKNOWN' })
})

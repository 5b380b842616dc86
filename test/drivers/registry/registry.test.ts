import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { credentialsFor, registryOf } from '../../../src/drivers/registry/credentials.ts'
import { createRegistry } from '../../../src/drivers/registry/registry.ts'
import { dockerHas } from '../docker/available.ts'
import { LOGIN, startRegistry, type TestRegistry } from '../../support/staging/registry.ts'

let folder: string
beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), 'shiv-registry-test-'))))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const caller = (extra: NodeJS.ProcessEnv = {}) => ({
  environment: { ...process.env, DOCKER_CONFIG: join(folder, 'nothing'), ...extra },
  folder,
  signal: new AbortController().signal,
})
const registry = createRegistry()

/** A docker configuration of its own. */
function configOf(name: string, config: object): string {
  mkdirSync(join(folder, name), { recursive: true })
  writeFileSync(join(folder, name, 'config.json'), JSON.stringify(config))
  return join(folder, name)
}

const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    (value) => `no error: ${String(value)}`,
    (error: { code?: string; message: string }) => error.code ?? error.message,
  )

describe('credentials', () => {
  it('are those of the registry that a reference names', () => {
    expect(['localhost:5000/shop/orders:1', 'ghcr.io/a/b', 'localhost/x', 'team/app', 'node:20'].map(registryOf)).toEqual([
      'localhost:5000',
      'ghcr.io',
      'localhost',
      'docker.io',
      'docker.io',
    ])
  })

  it('come from the file, also where it names the registry as a URL, and password with a colon', async () => {
    const auth = Buffer.from('ada:pass:word').toString('base64')
    const DOCKER_CONFIG = configOf('file', { auths: { 'https://reg.example.com/v2/': { auth } } })
    const found = await credentialsFor('reg.example.com', { DOCKER_CONFIG })
    expect(found).toEqual({ username: 'ada', password: 'pass:word', serveraddress: 'reg.example.com' })
    expect(await credentialsFor('other.example.com', { DOCKER_CONFIG })).toEqual({})
  })

  it('come from a helper, which is asked by stdin, and where it has none from the file', async () => {
    const program = join(folder, 'docker-credential-test')
    writeFileSync(
      program,
      `#!/bin/sh\nread name\n[ "$name" = reg.example.com ] || { echo "credentials not found in native keychain"; exit 1; }\necho '{"Username":"<token>","Secret":"abc"}'\n`,
    )
    chmodSync(program, 0o755)
    const auth = Buffer.from('bob:secret').toString('base64')
    const DOCKER_CONFIG = configOf('helper', { credsStore: 'test', auths: { 'other.example.com': { auth } } })
    const PATH = `${folder}:${process.env['PATH']}`
    expect(await credentialsFor('reg.example.com', { DOCKER_CONFIG, PATH })).toEqual({
      identitytoken: 'abc',
      serveraddress: 'reg.example.com',
    })
    expect(await credentialsFor('other.example.com', { DOCKER_CONFIG, PATH })).toMatchObject({ username: 'bob' })
    expect(await codeOf(credentialsFor('reg.example.com', { DOCKER_CONFIG, PATH: '/nowhere' }))).toBe('REGISTRY_CREDENTIALS')
  })
})

describe('what an engine says of a registry', () => {
  /** Plays an engine whose push says this. */
  async function pushThrough(said: object): Promise<string> {
    const socket = join(folder, `engine-${Math.random().toString(36).slice(2)}.sock`)
    const server = createHttpServer((request, response) => {
      response
        .writeHead(request.url?.includes('/push') ? 200 : 201)
        .end(request.url?.includes('/push') ? `${JSON.stringify(said)}\n` : '')
    })
    await new Promise<void>((resolve) => server.listen(socket, resolve))
    try {
      return await codeOf(registry.push('a:1', 'reg.example.com/a:1', caller({ DOCKER_HOST: `unix://${socket}` }), () => {}))
    } finally {
      server.close()
    }
  }

  it.each([
    ['write /var/lib/docker/tmp/GetImageBlob1: no space left on device', 'DOCKER_DISK_FULL'],
    ['unknown: no space left on device', 'REGISTRY_FULL'],
    ['received unexpected HTTP status: 507 Insufficient Storage', 'REGISTRY_FULL'],
    ['denied: requested access to the resource is denied', 'REGISTRY_DENIED'],
    ['unauthorized: authentication required', 'REGISTRY_DENIED'],
    ['Get "https://reg.example.com/v2/": dial tcp: lookup reg.example.com: no such host', 'REGISTRY_UNREACHABLE'],
    ['Get "https://reg.example.com/v2/": x509: certificate signed by unknown authority', 'REGISTRY_UNREACHABLE'],
    ['received unexpected HTTP status: 500 Internal Server Error', 'REGISTRY_FAILED'],
  ])('%s', async (message, code) => {
    expect(await pushThrough({ errorDetail: { message }, error: message })).toBe(code)
  })

  it('no digest at the end is a failure, not a success', async () => {
    expect(await pushThrough({ status: 'Pushed', id: 'abc' })).toBe('REGISTRY_FAILED')
  })
})

describe.runIf(dockerHas('registry:2', 'busybox:1.36-musl'))('a real registry', () => {
  const open: TestRegistry[] = []
  const start = async (...options: Parameters<typeof startRegistry>): Promise<TestRegistry> => {
    const one = await startRegistry(...options)
    open.push(one)
    return one
  }
  const image = `shiv.local/registry-test/small:${process.pid}`
  beforeAll(() => {
    execFileSync('docker', ['build', '--quiet', '--tag', image, '-'], {
      input: 'FROM busybox:1.36-musl\nRUN head -c 3000000 /dev/urandom > /noise\n',
    })
  }, 120_000)
  afterAll(() => {
    for (const one of open) one.remove()
    execFileSync('docker', ['rmi', '--force', image], { stdio: 'ignore' })
  })

  it('takes an image and names its digest, which is found again', async () => {
    const { host } = await start('plain')
    const reference = `${host}/team/small:1`
    expect(await registry.digest(reference, caller())).toBeUndefined()
    const digest = await registry.push(image, reference, caller(), () => {})
    expect(digest).toMatch(/^sha256:[0-9a-f]{64}$/)
    expect(await registry.digest(reference, caller())).toBe(digest)
    expect(await registry.digest(`${host}/team/small@${digest}`, caller())).toBe(digest)
    execFileSync('docker', ['rmi', reference], { stdio: 'ignore' })
  }, 60_000)

  it('lets nobody in without the right password', async () => {
    const { host } = await start('locked', { isLocked: true })
    const reference = `${host}/team/small:1`
    const login = (password: string) => ({
      auths: { [host]: { auth: Buffer.from(`${LOGIN.user}:${password}`).toString('base64') } },
    })
    const wrong = caller({ DOCKER_CONFIG: configOf('wrong', login('wrong-password')) })
    const right = caller({ DOCKER_CONFIG: configOf('right', login(LOGIN.password)) })
    expect(await codeOf(registry.digest(reference, wrong))).toBe('REGISTRY_DENIED')
    expect(await codeOf(registry.push(image, reference, wrong, () => {}))).toBe('REGISTRY_DENIED')
    expect(await codeOf(registry.push(image, reference, caller(), () => {}))).toBe('REGISTRY_DENIED')
    expect(await registry.push(image, reference, right, () => {})).toMatch(/^sha256:/)
    execFileSync('docker', ['rmi', reference], { stdio: 'ignore' })
  }, 60_000)

  it('that is full fails, and the hint thinks of its disk', async () => {
    const { host } = await start('full', { sizeBytes: 1_000_000 })
    const error = await registry.push(image, `${host}/team/small:1`, caller(), () => {}).catch((thrown: unknown) => thrown)
    // This one answers 500 and nothing more; others say it in words.
    expect(error).toMatchObject({ code: 'REGISTRY_FAILED', hint: expect.stringContaining('disk is full') })
    execFileSync('docker', ['rmi', `${host}/team/small:1`], { stdio: 'ignore' })
  }, 120_000)

  it('that is down is told apart from one that is slow', async () => {
    const silent = createServer(() => {})
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
    const slow = `localhost:${(silent.address() as AddressInfo).port}/team/small:1`
    const impatient = caller({ SHIV_REGISTRY_TIMEOUT: '700ms' })
    expect(await codeOf(registry.digest(slow, impatient))).toBe('REGISTRY_SLOW')
    expect(await codeOf(registry.push(image, slow, impatient, () => {}))).toBe('REGISTRY_SLOW')
    silent.close()
    const down = createServer()
    await new Promise<void>((resolve) => down.listen(0, '127.0.0.1', resolve))
    const { port } = down.address() as AddressInfo
    await new Promise<void>((resolve) => down.close(() => resolve()))
    expect(await codeOf(registry.digest(`localhost:${port}/team/small:1`, caller()))).toBe('REGISTRY_UNREACHABLE')
    expect(await codeOf(registry.push(image, `localhost:${port}/team/small:1`, caller(), () => {}))).toBe('REGISTRY_UNREACHABLE')
    for (const reference of [slow, `localhost:${port}/team/small:1`])
      execFileSync('docker', ['rmi', reference], { stdio: 'ignore' })
  }, 120_000)
})

import { mkdtempSync, readFileSync, rmSync, writeFileSync, existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { stringify } from 'yaml'
import type { Caller } from '../../../src/drivers/dependency/caller.ts'
import { createTokenSource } from '../../../src/drivers/dependency/tokens.ts'
import { accessOf, findContext } from '../../../src/drivers/dependency/user-kubeconfig.ts'

let folder: string
let caller: Caller
const signal = new AbortController().signal
const never = (): AbortSignal => new AbortController().signal

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'shiv-tokens-'))
  caller = { folder, environment: { PATH: process.env['PATH'], HOME: folder } }
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** A program that says how often it was asked, in `asked`, and prints what the expression gives. */
function printer(expression: string): string[] {
  const file = join(folder, 'print.cjs')
  writeFileSync(
    file,
    `const fs = require('node:fs'); let n = 1; try { n += Number(fs.readFileSync('asked', 'utf8')) } catch {}
fs.writeFileSync('asked', String(n)); console.log(${expression})`,
  )
  return [process.execPath, file]
}
const asked = (): number => Number(readFileSync(join(folder, 'asked'), 'utf8'))
const jwt = (seconds: number): string =>
  `eyJhbGciOiJub25lIn0.${Buffer.from(JSON.stringify({ exp: seconds })).toString('base64url')}.c2ln`

describe('a token of a command', () => {
  it('is asked for once by many at the same moment, and kept', async () => {
    const source = createTokenSource({ bearer: { command: printer('"token-" + n') } }, caller)
    const tokens = await Promise.all(Array.from({ length: 20 }, () => source.token(never())))
    expect(new Set(tokens)).toEqual(new Set(['token-1']))
    expect(await source.token(signal)).toBe('token-1')
    expect(asked()).toBe(1)
  })

  it('is asked for again before the end that it tells itself: JWT, expires_in and ExecCredential', async () => {
    let time = Date.parse('2026-01-01T00:00:00Z')
    const end = time / 1_000 + 3_600
    const forms = [
      `${JSON.stringify(jwt(end))}`,
      `JSON.stringify({ access_token: 'opaque-' + n, expires_in: 3600 })`,
      `JSON.stringify({ kind: 'ExecCredential', status: { token: 'opaque-' + n, expirationTimestamp: '2026-01-01T01:00:00Z' } })`,
    ]
    for (const form of forms) {
      time = Date.parse('2026-01-01T00:00:00Z')
      rmSync(join(folder, 'asked'), { force: true })
      const source = createTokenSource({ bearer: { command: printer(form) } }, caller, () => time)
      await source.token(signal)
      time += 58 * 60_000
      await source.token(signal)
      expect(asked(), form).toBe(1)
      time += 90_000
      await source.token(signal)
      expect(asked(), form).toBe(2)
    }
  })

  it('that cannot be renewed is used until its end, and not beyond', async () => {
    let time = Date.now()
    const fail = `(() => { if (n > 1) process.exit(7); return JSON.stringify({ token: 'first', expires_in: 600 }) })()`
    const source = createTokenSource({ bearer: { command: printer(fail) } }, caller, () => time)
    await source.token(signal)
    time += 570_000
    expect(await source.token(signal)).toBe('first')
    expect(asked()).toBe(2)
    time += 60_000
    await expect(source.token(signal)).rejects.toMatchObject({ code: 'DEPENDENCY_COMMAND_FAILED' })
  })

  it('that the upstream refused is asked for anew, once for all who were refused', async () => {
    const source = createTokenSource({ bearer: { command: printer('"token-" + n') } }, caller)
    const first = await source.token(signal)
    source.refuse(first)
    expect(await source.token(signal)).toBe('token-2')
    source.refuse(first)
    expect(await source.token(signal)).toBe('token-2')
    expect(asked()).toBe(2)
  })

  it('gets the caller’s variables, and its words no shell', async () => {
    caller.environment['WHO'] = 'ada'
    const words = [...printer('process.env.WHO + "|" + process.argv[2]'), '$(touch${IFS}hacked);`id`']
    const token = await createTokenSource({ bearer: { command: words } }, caller).token(signal)
    expect(token).toBe('ada|$(touch${IFS}hacked);`id`')
    expect(existsSync(join(folder, 'hacked'))).toBe(false)
  })

  it('that would end the header and begin another is refused', async () => {
    for (const bad of ['"a\\nX-Admin: yes"', '"two words"', '"{}"', '"{\\"access_token\\":\\"a\\\\r\\\\nb\\"}"']) {
      const source = createTokenSource({ bearer: { command: printer(bad) } }, caller)
      await expect(source.token(signal), bad).rejects.toMatchObject({ code: 'DEPENDENCY_TOKEN_FAILED' })
    }
  })

  it('is told without what may be secret when the command fails', async () => {
    const leak = 'ya29.a0AfB_byC1234567890abcdefghijk'
    const words = printer(`(() => { console.error('login needed, had ${leak}'); process.exit(3) })()`)
    const error = (await createTokenSource({ bearer: { command: words } }, caller)
      .token(signal)
      .catch((e: unknown) => e)) as {
      message: string
      evidence: string[]
    }
    expect(error.message).toContain('ended with 3')
    expect(error.evidence.join()).toContain('login needed')
    expect(JSON.stringify(error)).not.toContain(leak)
  })

  it('whose asking is given up by one is still had by the other', async () => {
    const slow = printer(`(() => { Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300); return 'late' })()`)
    const source = createTokenSource({ bearer: { command: slow } }, caller)
    const gone = new AbortController()
    const first = source.token(gone.signal)
    const second = source.token(never())
    gone.abort(new Error('gone'))
    await expect(first).rejects.toThrow('gone')
    expect(await second).toBe('late')
    expect(asked()).toBe(1)
  })
})

describe('a token of the environment', () => {
  it('is the caller’s variable, and missed by its name', async () => {
    caller.environment['STAGING_TOKEN'] = 'from-env'
    await expect(createTokenSource({ bearer: { env: 'STAGING_TOKEN' } }, caller).token(signal)).resolves.toBe('from-env')
    await expect(createTokenSource({ bearer: { env: 'OTHER' } }, caller).token(signal)).rejects.toMatchObject({
      code: 'DEPENDENCY_TOKEN_FAILED',
      hint: 'export OTHER=… && shiv start',
    })
  })

  it('that has expired is told, not sent', async () => {
    caller.environment['OLD'] = jwt(1_000)
    await expect(createTokenSource({ bearer: { env: 'OLD' } }, caller).token(signal)).rejects.toThrow('expired')
  })
})

describe('a context of the user’s kubeconfig', () => {
  const write = (name: string, users: unknown[], contexts = ['staging']): string => {
    const file = join(folder, name)
    const entries = contexts.map((context) => ({ name: context, context: { cluster: 'c', user: 'u', namespace: 'payments' } }))
    const clusters = [{ name: 'c', cluster: { server: `https://${name}.example:6443` } }]
    writeFileSync(file, stringify({ 'current-context': 'production', clusters, contexts: entries, users }))
    return file
  }
  const tokenOf = (context = 'staging') => createTokenSource({ bearer: { kubeContext: context } }, caller).token(signal)

  it('gives its token; the files are not written and current-context does not count', async () => {
    const file = write('one', [{ name: 'u', user: { token: 'static' } }])
    const before = readFileSync(file, 'utf8')
    caller.environment['KUBECONFIG'] = file
    expect(await tokenOf()).toBe('static')
    expect(readFileSync(file, 'utf8')).toBe(before)
  })

  it('is looked for in every file of KUBECONFIG, the first one counts, and files need not be there', async () => {
    const files = [
      join(folder, 'none'),
      write('a', [{ name: 'u', user: { token: 'first' } }], ['other']),
      write('b', [{ name: 'u', user: { token: 'second' } }]),
    ]
    caller.environment['KUBECONFIG'] = files.join(':')
    const context = await findContext('staging', caller)
    expect(context.server.host).toBe('a.example:6443')
    expect(context.namespace).toBe('payments')
    expect(await tokenOf()).toBe('first')
  })

  it('asks its credential plugin as the client protocol says, and again before its token ends', async () => {
    const [node, script] = printer(
      `JSON.stringify({ kind: 'ExecCredential', status: { token: [process.env.KEY, JSON.parse(process.env.KUBERNETES_EXEC_INFO).spec.interactive, n].join('-'), expirationTimestamp: new Date(Date.now() + 3600e3).toISOString() } })`,
    ) as [string, string]
    const exec = {
      apiVersion: 'client.authentication.k8s.io/v1',
      command: node,
      args: [script],
      env: [{ name: 'KEY', value: 'v' }],
    }
    caller.environment['KUBECONFIG'] = write('plugin', [{ name: 'u', user: { exec } }])
    let time = Date.now()
    const source = createTokenSource({ bearer: { kubeContext: 'staging' } }, caller, () => time)
    expect(await source.token(signal)).toBe('v-false-1')
    expect(await source.token(signal)).toBe('v-false-1')
    time += 59.5 * 60_000
    expect(await source.token(signal)).toBe('v-false-2')
  })

  it('may prove itself by a certificate of its plugin', async () => {
    const [node, script] = printer(
      `JSON.stringify({ status: { clientCertificateData: 'CERT', clientKeyData: 'KEY', expirationTimestamp: '2030-01-01T00:00:00Z' } })`,
    ) as [string, string]
    caller.environment['KUBECONFIG'] = write('cert', [{ name: 'u', user: { exec: { command: node, args: [script] } } }])
    const { access, expires } = await accessOf(await findContext('staging', caller), caller, signal)
    expect([String(access.certificate), String(access.key), access.token, expires]).toEqual([
      'CERT',
      'KEY',
      undefined,
      Date.parse('2030-01-01'),
    ])
    await expect(tokenOf()).rejects.toMatchObject({ code: 'DEPENDENCY_TOKEN_FAILED' })
  })

  it('that is not there is told with the nearest one', async () => {
    caller.environment['KUBECONFIG'] = write('one', [{ name: 'u', user: { token: 't' } }])
    await expect(tokenOf('stagin')).rejects.toMatchObject({
      code: 'DEPENDENCY_CONTEXT_UNKNOWN',
      hint: expect.stringContaining('staging'),
    })
  })
})

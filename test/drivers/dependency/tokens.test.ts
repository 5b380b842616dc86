import { mkdtempSync, readFileSync, rmSync, writeFileSync, existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { stringify } from 'yaml'
import { identifyProcess } from '../../../src/core/process-identity.ts'
import type { Caller } from '../../../src/drivers/caller.ts'
import { createBearer } from '../../../src/drivers/dependency/http/bearer.ts'
import { askForToken } from '../../../src/drivers/dependency/tokens.ts'
import { accessOf } from '../../../src/drivers/kubernetes/kubeconfig.ts'
import { findContext } from '../../../src/drivers/dependency/user-kubeconfig.ts'

let folder: string
let caller: Caller
const signal = new AbortController().signal
const ask = (command: string[], until = signal) => askForToken({ bearer: { command } }, caller, until)

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
  it('tells when it ends, in whichever form it comes', async () => {
    const end = Math.round(Date.now() / 1_000) + 3_600
    const stamp = new Date(end * 1_000).toISOString()
    const forms = {
      [JSON.stringify(jwt(end))]: end * 1_000,
      [`JSON.stringify({ status: { token: 'opaque', expirationTimestamp: ${JSON.stringify(stamp)} } })`]: end * 1_000,
      [`JSON.stringify({ accessToken: 'opaque', expiresOn: ${JSON.stringify(stamp)} })`]: end * 1_000,
      '"opaque"': undefined,
    }
    for (const [form, expected] of Object.entries(forms)) expect((await ask(printer(form))).expiresAt, form).toBe(expected)
    const { token, expiresAt = 0 } = await ask(printer(`JSON.stringify({ access_token: 'opaque', expires_in: 3600 })`))
    expect(token).toBe('opaque')
    expect(Math.abs(expiresAt - end * 1_000)).toBeLessThan(60_000)
  })

  it('is kept by the proxy, asked for once by many, and anew before its end', async () => {
    let time = Date.now()
    const source = { bearer: { command: printer(`JSON.stringify({ token: 'token-' + n, expires_in: 3600 })`) } }
    const bearer = createBearer(
      source,
      (from, until) => askForToken(from, caller, until),
      () => time,
    )
    const tokens = await Promise.all(Array.from({ length: 20 }, () => bearer.get()))
    expect(new Set(tokens)).toEqual(new Set(['token-1']))
    time += 58 * 60_000
    expect(await bearer.get()).toBe('token-1')
    expect(asked()).toBe(1)
    time += 90_000
    await bearer.get()
    await expect.poll(asked).toBe(2)
    bearer.close()
  })

  it('gets the caller’s variables, and its words no shell', async () => {
    caller.environment['WHO'] = 'ada'
    const words = [...printer('process.env.WHO + "|" + process.argv[2]'), '$(touch${IFS}hacked);`id`']
    const { token } = await ask(words)
    expect(token).toBe('ada|$(touch${IFS}hacked);`id`')
    expect(existsSync(join(folder, 'hacked'))).toBe(false)
  })

  it('that would end the header and begin another is refused', async () => {
    for (const bad of ['"a\\nX-Admin: yes"', '"two words"', '"{}"', '"{\\"access_token\\":\\"a\\\\r\\\\nb\\"}"']) {
      await expect(ask(printer(bad)), bad).rejects.toMatchObject({ code: 'DEPENDENCY_TOKEN_FAILED' })
    }
  })

  it('is told without what may be secret when the command fails', async () => {
    const leak = 'ya29.a0AfB_byC1234567890abcdefghijk'
    const words = printer(`(() => { console.error('login needed, had ${leak}'); process.exit(3) })()`)
    const error = (await ask(words).catch((e: unknown) => e)) as {
      message: string
      evidence: string[]
    }
    expect(error.message).toContain('ended with 3')
    expect(error.evidence.join()).toContain('login needed')
    expect(JSON.stringify(error)).not.toContain(leak)
  })

  it('is not waited for by whoever is gone, and its command ends', async () => {
    const slow = printer(`(() => { require('node:fs').writeFileSync('pid', String(process.pid)); for (;;); })()`)
    const gone = new AbortController()
    const asking = ask(slow, gone.signal)
    await expect.poll(() => existsSync(join(folder, 'pid'))).toBe(true)
    gone.abort(new Error('gone'))
    await expect(asking).rejects.toThrow('gone')
    const pid = Number(readFileSync(join(folder, 'pid'), 'utf8'))
    await expect.poll(() => identifyProcess(pid)).toBeUndefined()
  })

  it('is had though what its command left running holds the output, which is let be', async () => {
    await expect(ask(['sh', '-c', 'sleep 300 & echo $! > pid; echo tok'])).resolves.toEqual({ token: 'tok' })
    const pid = Number(readFileSync(join(folder, 'pid'), 'utf8'))
    const sleeper = identifyProcess(pid)
    process.kill(pid)
    expect(sleeper, 'it was waited for').toBeDefined()
  })

  it('ends with all that its command started when nobody waits any longer', async () => {
    const gone = new AbortController()
    const asking = ask(['sh', '-c', 'sleep 300 & echo $! > made; mv made pid; wait'], gone.signal)
    await expect.poll(() => existsSync(join(folder, 'pid'))).toBe(true)
    gone.abort(new Error('gone'))
    await expect(asking).rejects.toThrow('gone')
    const pid = Number(readFileSync(join(folder, 'pid'), 'utf8'))
    await expect.poll(() => identifyProcess(pid)).toBeUndefined()
  })
})

describe('a token of the environment', () => {
  it('is the caller’s variable, and missed by its name', async () => {
    caller.environment['STAGING_TOKEN'] = 'from-env'
    await expect(askForToken({ bearer: { env: 'STAGING_TOKEN' } }, caller, signal)).resolves.toEqual({ token: 'from-env' })
    await expect(askForToken({ bearer: { env: 'OTHER' } }, caller, signal)).rejects.toMatchObject({
      code: 'DEPENDENCY_TOKEN_FAILED',
      hint: 'export OTHER=… && shiv start',
    })
  })

  it('that has expired is told, not sent', async () => {
    caller.environment['OLD'] = jwt(1_000)
    await expect(askForToken({ bearer: { env: 'OLD' } }, caller, signal)).rejects.toThrow('expired')
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
  const tokenOf = async (context = 'staging') => (await askForToken({ bearer: { kubeContext: context } }, caller, signal)).token

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

  it('asks its credential plugin as the client protocol says', async () => {
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
    const token = await askForToken({ bearer: { kubeContext: 'staging' } }, caller, signal)
    expect(token.token).toBe('v-false-1')
    expect(token.expiresAt).toBeGreaterThan(Date.now() + 3_000_000)
  })

  it('may prove itself by a certificate of its plugin', async () => {
    const [node, script] = printer(
      `JSON.stringify({ status: { clientCertificateData: 'CERT', clientKeyData: 'KEY', expirationTimestamp: '2030-01-01T00:00:00Z' } })`,
    ) as [string, string]
    caller.environment['KUBECONFIG'] = write('cert', [{ name: 'u', user: { exec: { command: node, args: [script] } } }])
    const access = await accessOf(await findContext('staging', caller), caller, signal)
    expect([String(access.certificate), String(access.key), access.token, access.expires]).toEqual([
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

import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TLSSocket } from 'node:tls'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { stringify } from 'yaml'
import { createClient } from '../../../src/drivers/kubernetes/client.ts'
import { createConnections } from '../../../src/drivers/kubernetes/connection.ts'
import { readAccess } from '../../../src/drivers/kubernetes/kubeconfig.ts'
import { createAuthority, type Authority } from '../../support/authority.ts'

const V1 = 'client.authentication.k8s.io/v1'
let folder: string
let authority: Authority
let port: number
let end: () => Promise<void>

/** An API server as far as it says who asks: by certificate, or by token. */
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'shiv-plugin-'))
  authority = createAuthority(folder)
  const tls = authority.issue('127.0.0.1')
  const server = createServer(
    { ...tls, ca: readFileSync(authority.file), requestCert: true, rejectUnauthorized: false },
    (request, response) => {
      const socket = request.socket as TLSSocket
      const certificate = socket.authorized ? socket.getPeerCertificate().subject?.CN : undefined
      response.end(JSON.stringify({ by: certificate ?? request.headers.authorization ?? 'nobody' }))
    },
  )
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  port = (server.address() as AddressInfo).port
  end = () => {
    server.closeAllConnections()
    return new Promise((resolve) => server.close(() => resolve()))
  }
})
afterEach(async () => {
  await end()
  rmSync(folder, { recursive: true, force: true })
})

/** A script of a real shell that prints what `status` holds, and notes how it was asked. */
function plugin(status: Record<string, unknown>, { apiVersion = V1, more = '' } = {}): string {
  mkdirSync(join(folder, 'bin'), { recursive: true })
  const file = join(folder, 'bin/login.sh')
  const printed = JSON.stringify({ kind: 'ExecCredential', apiVersion, status })
  writeFileSync(
    file,
    `#!/bin/sh\nprintf '%s\\n' "$*" >> ${folder}/asked\nprintf '%s' "$KUBERNETES_EXEC_INFO" > ${folder}/info\nprintf '%s' "$REGION" > ${folder}/region\n${more}\ncat <<'EOF'\n${printed}\nEOF\n`,
  )
  chmodSync(file, 0o755)
  return file
}
function kubeconfig(exec: Record<string, unknown>): string {
  const file = join(folder, 'kubeconfig')
  writeFileSync(
    file,
    stringify({
      clusters: [{ name: 'c', cluster: { server: `https://127.0.0.1:${port}`, 'certificate-authority': authority.file } }],
      users: [{ name: 'u', user: { exec: { apiVersion: V1, interactiveMode: 'Never', ...exec } } }],
      contexts: [{ name: 'staging', context: { cluster: 'c', user: 'u' } }],
    }),
  )
  return file
}
const asked = (): number => readFileSync(join(folder, 'asked'), 'utf8').split('\n').length - 1
const read = (name: string): string => readFileSync(join(folder, name), 'utf8')
const who = async (exec: Record<string, unknown>): Promise<string> => {
  const client = createClient(await readAccess(kubeconfig(exec), 'staging'))
  try {
    return (await client.call<{ by: string }>('GET', '/api')).by
  } finally {
    client.close()
  }
}

test.each([V1, 'client.authentication.k8s.io/v1beta1'])(
  'a token of a plugin is what the server sees (%s)',
  async (apiVersion) => {
    plugin({ token: 'from-the-plugin' }, { apiVersion })
    // A path is relative to the kubeconfig; variables are as given.
    const exec = { apiVersion, command: './bin/login.sh', args: ['--for', 'staging'], env: [{ name: 'REGION', value: 'north' }] }
    expect(await who({ ...exec, provideClusterInfo: true })).toBe('Bearer from-the-plugin')
    expect([read('asked'), read('region')]).toEqual(['--for staging\n', 'north'])
    expect(JSON.parse(read('info'))).toEqual({
      apiVersion,
      kind: 'ExecCredential',
      spec: {
        interactive: false,
        cluster: {
          server: `https://127.0.0.1:${port}`,
          'certificate-authority-data': readFileSync(authority.file).toString('base64'),
        },
      },
    })
  },
)

test('a certificate of a plugin is what the server sees', async () => {
  const { cert, key } = authority.issue('ada')
  expect(await who({ command: plugin({ clientCertificateData: cert, clientKeyData: key }) })).toBe('ada')
})

test('one that is found on PATH is asked once until its credential is about to end, and then again', async () => {
  plugin({ token: 'long', expirationTimestamp: '2099-01-01T00:00:00Z' })
  const before = process.env['PATH']
  process.env['PATH'] = `${join(folder, 'bin')}:${before}`
  const connections = createConnections()
  try {
    const cluster = { kubeconfig: kubeconfig({ command: 'login.sh' }), context: 'staging' }
    const client = await connections.to(cluster)
    expect(await connections.to(cluster)).toBe(client)
    expect(asked()).toBe(1)
    plugin({ token: 'short', expirationTimestamp: new Date(Date.now() + 30_000).toISOString() })
    writeFileSync(cluster.kubeconfig, `${readFileSync(cluster.kubeconfig, 'utf8')}# changed\n`)
    const short = await connections.to(cluster)
    expect(short.access.token).toBe('short')
    expect(await connections.to(cluster)).not.toBe(short)
    expect(asked()).toBe(3)
  } finally {
    process.env['PATH'] = before
    connections.close()
  }
})

test.each([
  [
    'is not there',
    { command: 'login-of-nobody', args: ['s3cret-argument'], installHint: 'brew install login' },
    'DEPENDENCY_COMMAND_FAILED',
  ],
  ['fails', { args: ['s3cret-argument'] }, 'DEPENDENCY_COMMAND_FAILED'],
  ['answers in another version', { apiVersion: 'client.authentication.k8s.io/v1beta1' }, 'DEPENDENCY_TOKEN_FAILED'],
  ['wants a version that is not spoken', { apiVersion: 'client.authentication.k8s.io/v1alpha1' }, 'KUBE_CONFIG_INVALID'],
  ['would ask the user', { interactiveMode: 'Always' }, 'KUBE_CONFIG_INVALID'],
])('a plugin that %s is told, without its arguments', async (what, exec, code) => {
  const command = plugin({ token: 't' }, what === 'fails' ? { more: 'echo "log in first" >&2; exit 3' } : {})
  const error = (await readAccess(kubeconfig({ command, ...exec }), 'staging').catch((thrown: unknown) => thrown)) as Error & {
    hint?: string
  }
  expect(error).toMatchObject({ code })
  expect(JSON.stringify({ ...error, message: error.message })).not.toContain('s3cret-argument')
  if (what === 'is not there') expect(error.hint).toBe('brew install login')
  if (what === 'fails')
    expect(error).toMatchObject({ evidence: ['log in first'], hint: expect.stringContaining('kubectl --context staging') })
})

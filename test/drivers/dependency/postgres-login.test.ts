import { statSync, chownSync, chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openPostgresDependency } from '../../../src/drivers/dependency/postgres/open-postgres.ts'
import { selfSigned } from '../../support/authority.ts'
import { asOwner, OWNER, startPostgres, type TestServer } from './support/servers.ts'
import { holdForTests } from './support/opened.ts'
import { openFor, settingOf } from './support/setting.ts'

const HBA = `
host all owner 127.0.0.1/32 scram-sha-256
hostnossl all trusted 127.0.0.1/32 trust
host all plain 127.0.0.1/32 password
host all old 127.0.0.1/32 md5
hostssl all secure 127.0.0.1/32 scram-sha-256
host replication all 127.0.0.1/32 trust
`

let server: TestServer
let ca: string
let folder: string
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'shiv-tls-'))
  ca = selfSigned(folder, 'users.test').cert
  const [key, crt] = [join(folder, 'self-signed.key'), join(folder, 'self-signed.pem')]
  chmodSync(folder, 0o755)
  server = await startPostgres({
    hba: HBA,
    settings: ['password_encryption=md5', 'ssl=on', `ssl_cert_file=${crt}`, `ssl_key_file=${key}`],
    before: (owner) => {
      const { uid, gid } = statSync(owner)
      chownSync(key, uid, gid)
      chmodSync(key, 0o600)
    },
  })
  await asOwner(
    server.port,
    "create role trusted login; create role plain login password 'p'; create role old login password 'o'",
  )
  await asOwner(server.port, "set password_encryption = 'scram-sha-256'; create role secure login password 's'")
}, 60_000)
afterAll(async () => {
  await server.end()
  rmSync(folder, { recursive: true, force: true })
})

const { keep } = holdForTests()

/** Who the session is at the upstream, and whether that is encrypted; or the message of the refusal. */
const loginOf = async (user: string, password: string, query = '', upstream = {}): Promise<string> => {
  const url = `postgres://127.0.0.1:${server.port}/postgres${query}`
  const one = await openFor(
    openPostgresDependency,
    settingOf('postgres', url, { upstream: { credentials: async () => ({ user, password }), ...upstream } }),
  )
  keep(one)
  const client = new pg.Client({ host: '127.0.0.1', port: one.dependency.port, user: 'service', password: 'x' })
  client.on('error', () => undefined)
  try {
    await client.connect()
    const { rows } = await client.query('select current_user as who, ssl from pg_stat_ssl where pid = pg_backend_pid()')
    const [row] = rows as { who: string; ssl: boolean }[]
    return `${row?.who} ${row?.ssl ? 'encrypted' : 'plain'}`
  } catch (error) {
    return (error as Error).message
  } finally {
    await client.end()
  }
}

test('shiv logs in as the server asks: trust, clear text, md5 and SCRAM', async () => {
  expect(await loginOf('trusted', '', '?sslmode=disable')).toBe('trusted plain')
  expect(await loginOf('plain', 'p', '?sslmode=disable')).toBe('plain plain')
  expect(await loginOf('old', 'o')).toBe('old encrypted')
  expect(await loginOf('secure', 's')).toBe('secure encrypted')
  expect(await loginOf(OWNER.user, OWNER.password)).toBe('owner encrypted')
  expect(await loginOf('secure', 'wrong')).toMatch(/refused shiv's session: password authentication failed for user "secure"$/)
})

test('encryption is as the URL says', async () => {
  expect(await loginOf('secure', 's', '?sslmode=require')).toBe('secure encrypted')
  expect(await loginOf('secure', 's', '?sslmode=verify-ca')).toMatch(/cannot be spoken to over TLS: .*self-signed/)
  expect(await loginOf('secure', 's', '?sslmode=verify-ca', { ca })).toBe('secure encrypted')
  expect(await loginOf('secure', 's', '?sslmode=verify-full', { ca })).toMatch(
    /cannot be spoken to over TLS: .*does not match certificate's altnames|IP: 127/,
  )
  expect(await loginOf('secure', 's', '?sslmode=verify-full', { ca, servername: 'users.test' })).toBe('secure encrypted')
  expect(await loginOf('secure', 's', '?sslmode=disable')).toMatch(/no pg_hba\.conf entry/)
})

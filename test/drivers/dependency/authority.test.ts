import { execFileSync } from 'node:child_process'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { issueServer, makeAuthority, toPem } from '../../../src/drivers/dependency/authority/certificate.ts'
import { publicRoots } from '../../../src/drivers/dependency/authority/known-roots.ts'
import { isAging, openAuthority } from '../../../src/drivers/dependency/authority/open-authority.ts'

const DAY_MS = 86_400_000
const NAMES = ['billing.example.com', 'billing', 'ledger.payments.svc.cluster.local', '127.0.0.1', '::1', '2001:db8::42:0:7']

let folder: string
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'shiv-authority-'))))
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const put = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text)
  return join(folder, name)
}
const openssl = (...argv: string[]): string => execFileSync('openssl', argv, { encoding: 'utf8', stdio: 'pipe' })
const kept = (environment: NodeJS.ProcessEnv = {}, now?: number) =>
  openAuthority(folder, { environment, ...(now !== undefined && { now: () => now }) })

describe('a certificate', () => {
  const validity = { from: new Date(Date.now() - 1_000), to: new Date(Date.now() + DAY_MS) }
  const authority = makeAuthority('shiv of a test', validity)
  const leaf = issueServer({ name: 'shiv of a test', key: authority.key }, NAMES, validity)
  const root = new X509Certificate(authority.certificate)
  const server = new X509Certificate(leaf.certificate)

  test('is one by the strictest rules of OpenSSL, for each of its names', () => {
    const [ca, own] = [put('ca', toPem(authority.certificate)), put('leaf', toPem(leaf.certificate))]
    const strict = ['verify', '-x509_strict', '-purpose', 'sslserver', '-CAfile', ca]
    for (const name of NAMES.slice(0, 3)) expect(openssl(...strict, '-verify_hostname', name, own)).toContain('OK')
    for (const address of NAMES.slice(3)) expect(openssl(...strict, '-verify_ip', address, own)).toContain('OK')
    expect(() => openssl(...strict, '-verify_hostname', 'billing.example.org', own)).toThrow(/hostname mismatch/)
    expect(() => openssl('verify', '-x509_strict', '-CAfile', own, ca)).toThrow()
  })

  test('says what it may be used for, and no more', () => {
    expect(root.ca).toBe(true)
    expect(server.ca).toBe(false)
    expect(server.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1'])
    expect(root.verify(root.publicKey)).toBe(true)
    expect(server.verify(root.publicKey)).toBe(true)
    expect(server.checkIssued(root)).toBe(true)
    expect(server.publicKey.asymmetricKeyDetails).toEqual({ namedCurve: 'prime256v1' })
    const text = openssl('x509', '-noout', '-text', '-in', put('root', toPem(authority.certificate)))
    expect(text).toMatch(/CA:TRUE, pathlen:0/)
    expect(text).toMatch(/Certificate Sign, CRL Sign/)
  })

  test('has a number of its own, and a key of its own', () => {
    const another = issueServer({ name: 'shiv of a test', key: authority.key }, NAMES, validity)
    const other = new X509Certificate(another.certificate)
    expect(other.serialNumber).not.toBe(server.serialNumber)
    expect(other.checkPrivateKey(leaf.key)).toBe(false)
    expect(other.checkPrivateKey(another.key)).toBe(true)
  })

  test('may end after 2049, and be for a name that is longer than a subject may be', () => {
    const to = new Date('2061-02-03T04:05:06Z')
    const long = `${'a'.repeat(60)}.${'b'.repeat(60)}.example.com`
    const far = issueServer({ name: 'shiv of a test', key: authority.key }, [long], { from: validity.from, to })
    const { validTo, subjectAltName } = new X509Certificate(far.certificate)
    expect(Date.parse(validTo)).toBe(to.getTime())
    expect(subjectAltName).toBe(`DNS:${long}`)
  })
})

describe('the authority of a run', () => {
  test('is made once, and its key is readable by its owner only', async () => {
    const first = await kept()
    const again = await kept()
    expect(again.certificate).toBe(first.certificate)
    expect(statSync(join(folder, 'authority.pem')).mode & 0o777).toBe(0o600)
    for (const file of Object.values(first.files)) expect(readFileSync(file, 'utf8')).not.toContain('PRIVATE KEY')
  })

  test('is another one in another folder', async () => {
    const first = await kept()
    const other = await openAuthority(join(folder, 'other'), { environment: {} })
    const { certificate } = other.issue(['billing'])
    const [leaf] = certificate.split(/(?<=-----END CERTIFICATE-----\n)/)
    expect(new X509Certificate(leaf!).checkIssued(new X509Certificate(other.certificate))).toBe(true)
    expect(new X509Certificate(leaf!).checkIssued(new X509Certificate(first.certificate))).toBe(false)
  })

  test('is made anew when it is broken, or when little is left of it', async () => {
    const first = await kept()
    expect((await kept({}, Date.now() + 200 * DAY_MS)).certificate).toBe(first.certificate)
    const renewed = await kept({}, Date.now() + 300 * DAY_MS)
    expect(renewed.certificate).not.toBe(first.certificate)
    writeFileSync(join(folder, 'authority.pem'), 'nothing of the kind')
    const mended = await kept()
    expect(mended.certificate).not.toBe(renewed.certificate)
    expect(readFileSync(mended.files.authority, 'utf8')).toBe(mended.certificate)
  })

  test('issues for a day, and says when it is time for the next', async () => {
    const now = Date.parse('2030-05-01T12:00:00Z')
    const issued = (await kept({}, now)).issue(['billing'])
    const { validFrom, validTo } = new X509Certificate(issued.certificate)
    expect([Date.parse(validFrom), Date.parse(validTo)]).toEqual([now - 3_600_000, now + DAY_MS])
    expect(isAging(issued, now + 15 * 3_600_000)).toBe(false)
    expect(isAging(issued, now + 17 * 3_600_000)).toBe(true)
    expect(createPrivateKey(issued.key).asymmetricKeyType).toBe('ec')
  })

  test('stands beside what was trusted before, and in place of nothing', async () => {
    const [company, system] = ['company', 'system'].map((name) =>
      put(name, toPem(makeAuthority(name, { from: new Date(0), to: new Date(DAY_MS) }).certificate).trimEnd()),
    )
    const { certificate, files } = await kept({ NODE_EXTRA_CA_CERTS: company, SSL_CERT_FILE: system })
    const text = (path: string) => readFileSync(path, 'utf8')
    expect(text(files.authority)).toBe(`${text(company!)}\n${certificate}`)
    expect(text(files.bundle)).toBe(`${text(system!)}\n${text(company!)}\n${certificate}`)
    const plain = await kept({ NODE_EXTRA_CA_CERTS: join(folder, 'not-there') })
    expect(text(plain.files.authority)).toBe(certificate)
    expect(text(plain.files.bundle).split('BEGIN CERTIFICATE').length).toBeGreaterThan(50)
    expect(publicRoots()).toContain('BEGIN CERTIFICATE')
  })
})

import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { cleanUp } from './support.ts'

export interface Certificate {
  cert: string
  key: string
}

/** An authority made for this test, and certificates that it issues. */
export interface Authority {
  ca: string
  /** `days` may be negative: then it has expired. */
  issue(host: string, days?: number): Certificate
}

export function createAuthority(): Authority {
  const folder = mkdtempSync(join(tmpdir(), 'shiv-ca-'))
  cleanUp(() => rmSync(folder, { recursive: true, force: true }))
  const openssl = (...args: string[]): void =>
    void execFileSync('openssl', args, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] })
  openssl(
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-keyout',
    'ca.key',
    '-out',
    'ca.crt',
    '-days',
    '2',
    '-subj',
    '/CN=test authority',
  )
  let count = 0
  return {
    ca: readFileSync(join(folder, 'ca.crt'), 'utf8'),
    issue(host, days = 2) {
      count += 1
      const name = `c${count}`
      openssl(
        'req',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:P-256',
        '-nodes',
        '-keyout',
        `${name}.key`,
        '-out',
        `${name}.csr`,
        '-subj',
        `/CN=${host}`,
      )
      writeFileSync(join(folder, 'ext'), `subjectAltName=${/^[\d.]+$/.test(host) ? 'IP' : 'DNS'}:${host}\n`)
      openssl(
        'x509',
        '-req',
        '-in',
        `${name}.csr`,
        '-CA',
        'ca.crt',
        '-CAkey',
        'ca.key',
        '-CAcreateserial',
        '-out',
        `${name}.crt`,
        '-extfile',
        'ext',
        '-days',
        String(days),
      )
      return { cert: readFileSync(join(folder, `${name}.crt`), 'utf8'), key: readFileSync(join(folder, `${name}.key`), 'utf8') }
    },
  }
}

/** A certificate that nobody but itself vouches for. */
export function selfSigned(host: string): Certificate {
  const folder = mkdtempSync(join(tmpdir(), 'shiv-ca-'))
  cleanUp(() => rmSync(folder, { recursive: true, force: true }))
  execFileSync(
    'openssl',
    [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-keyout',
      'key',
      '-out',
      'crt',
      '-days',
      '2',
      '-subj',
      `/CN=${host}`,
      '-addext',
      `subjectAltName=DNS:${host}`,
    ],
    { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] },
  )
  return { cert: readFileSync(join(folder, 'crt'), 'utf8'), key: readFileSync(join(folder, 'key'), 'utf8') }
}

import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** PEM. */
export interface Certificate {
  cert: string
  key: string
}

/** A certificate authority of one test, in `folder`, made by OpenSSL: nothing of shiv's own has a part in it. */
export interface Authority {
  /** PEM of the authority, and the file that it is in. */
  ca: string
  file: string
  /** Certificate and key for these names and addresses. */
  issue(...names: string[]): Certificate
  /** One that ended yesterday. */
  issueExpired(name: string): Certificate
}

const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']

export function createAuthority(folder: string): Authority {
  const openssl = opensslIn(folder)
  openssl('req', '-x509', ...NEW_KEY, '-keyout', 'ca.key', '-out', 'ca.pem', '-days', '2', '-subj', '/CN=staging test authority')
  let issued = 0
  const issueFor = (days: number, names: string[]): Certificate => {
    const name = `leaf-${(issued += 1)}`
    writeFileSync(join(folder, `${name}.ext`), `subjectAltName=${alternatives(names)}\n`)
    openssl('req', ...NEW_KEY, '-keyout', `${name}.key`, '-out', `${name}.pem.csr`, '-subj', `/CN=${names[0]}`)
    const by = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', String(days), '-extfile', `${name}.ext`]
    openssl('x509', '-req', '-in', `${name}.pem.csr`, ...by, '-out', `${name}.pem`)
    return read(folder, name)
  }
  return {
    ca: readFileSync(join(folder, 'ca.pem'), 'utf8'),
    file: join(folder, 'ca.pem'),
    issue: (...names) => issueFor(2, names),
    issueExpired: (name) => issueFor(-1, [name]),
  }
}

/** A certificate in `folder` that nobody but itself vouches for: `self-signed.pem` and `self-signed.key`. */
export function selfSigned(folder: string, host: string): Certificate {
  const about = ['-days', '2', '-subj', `/CN=${host}`, '-addext', `subjectAltName=${alternatives([host])}`]
  opensslIn(folder)('req', '-x509', ...NEW_KEY, '-keyout', 'self-signed.key', '-out', 'self-signed.pem', ...about)
  return read(folder, 'self-signed')
}

function opensslIn(folder: string): (...argv: string[]) => void {
  return (...argv) => void execFileSync('openssl', argv, { cwd: folder, stdio: 'pipe' })
}

function alternatives(names: string[]): string {
  return names.map((one) => (/^[\d.]+$/.test(one) ? `IP:${one}` : `DNS:${one}`)).join(',')
}

function read(folder: string, name: string): Certificate {
  const text = (end: string): string => readFileSync(join(folder, `${name}.${end}`), 'utf8')
  return { cert: text('pem'), key: text('key') }
}

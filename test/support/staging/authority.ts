import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** A certificate authority of one test, in `folder`. */
export interface Authority {
  /** PEM file of the authority. */
  file: string
  /** Certificate and key for these names and addresses. */
  issue(...names: string[]): { cert: string; key: string }
}

export function createAuthority(folder: string): Authority {
  const openssl = (...argv: string[]): void => void execFileSync('openssl', argv, { cwd: folder, stdio: 'pipe' })
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  openssl('req', '-x509', ...newKey, '-keyout', 'ca.key', '-out', 'ca.pem', '-days', '2', '-subj', '/CN=staging test authority')
  let issued = 0
  return {
    file: join(folder, 'ca.pem'),
    issue(...names) {
      const name = `leaf-${(issued += 1)}`
      const alternatives = names.map((one) => (/^[\d.]+$/.test(one) ? `IP:${one}` : `DNS:${one}`)).join(',')
      writeFileSync(join(folder, `${name}.ext`), `subjectAltName=${alternatives}\n`)
      openssl('req', ...newKey, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${names[0]}`)
      const by = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial']
      openssl('x509', '-req', '-in', `${name}.csr`, ...by, '-out', `${name}.pem`, '-days', '2', '-extfile', `${name}.ext`)
      const read = (end: string): string => readFileSync(join(folder, `${name}.${end}`), 'utf8')
      return { cert: read('pem'), key: read('key') }
    },
  }
}

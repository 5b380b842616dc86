import { readFile } from 'node:fs/promises'
import { rootCertificates } from 'node:tls'

/** Where systems keep what they trust, as one PEM file. */
const SYSTEM_FILES = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/ssl/cert.pem',
]

/**
 * What a process of this machine trusts already, as PEM text. `extra`: what `NODE_EXTRA_CA_CERTS` names. `all`: that, and what `SSL_CERT_FILE`
 * names, else the system's file, else the public roots that Node brings.
 */
export async function knownRoots(environment: NodeJS.ProcessEnv): Promise<{ extra: string; all: string }> {
  const extra = (await firstOf([environment['NODE_EXTRA_CA_CERTS']])) ?? ''
  const own = environment['SSL_CERT_FILE']
  const system = (await firstOf([own, ...SYSTEM_FILES])) ?? publicRoots()
  return { extra, all: system + extra }
}

/** Those of Mozilla, as of this Node. */
export function publicRoots(): string {
  return `${rootCertificates.join('\n')}\n`
}

/** A file that is not there or cannot be read is passed over, as the libraries do that it is meant for. */
async function firstOf(paths: (string | undefined)[]): Promise<string | undefined> {
  for (const path of paths) {
    if (!path) continue
    const text = await readFile(path, 'utf8').catch(() => undefined)
    if (text?.includes('-----BEGIN')) return text.endsWith('\n') ? text : `${text}\n`
  }
  return undefined
}

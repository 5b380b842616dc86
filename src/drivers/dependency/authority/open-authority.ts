import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { writeFileAtomic } from '../../../core/atomic-file.ts'
import type { Authority, ServerCertificate } from '../../../engine/dependency-ports.ts'
import { issueServer, makeAuthority, toPem } from './certificate.ts'
import { knownRoots } from './known-roots.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const AUTHORITY_DAYS = 365
/** An authority that ends sooner is made anew: services learn of it at the same start. */
const AUTHORITY_LEFT_DAYS = 90
const LIFE_MS = DAY_MS
/** A certificate is made anew when less is left of it. */
const LEFT_MS = 8 * HOUR_MS
/** Clocks of a virtual machine fall behind. */
const CLOCKS_APART_MS = HOUR_MS

export interface AuthorityOptions {
  /** Where what the user's own tools trust is named: `SSL_CERT_FILE`, `NODE_EXTRA_CA_CERTS`. */
  environment: NodeJS.ProcessEnv
  /** Epoch milliseconds. */
  now?(): number
}

/**
 * The authority of a run, kept in its folder (key and certificate in `authority.pem`, 0600): what is there is used until it nears its end or cannot
 * be read, then it is made anew. What services trust is written beside it, without the key: `ca.pem`, and `trusted.pem` with all that is
 * trusted on this machine anyway.
 */
export async function openAuthority(folder: string, options: AuthorityOptions): Promise<Authority> {
  const { environment, now = Date.now } = options
  const path = join(folder, 'authority.pem')
  const kept = (await read(path, now())) ?? (await make(folder, path, now()))
  const certificate = kept.certificate.toString()
  const files = { authority: join(folder, 'ca.pem'), bundle: join(folder, 'trusted.pem') }
  const { extra, all } = await knownRoots(environment)
  await keepFile(files.authority, extra + certificate)
  await keepFile(files.bundle, all + certificate)
  return {
    certificate,
    files,
    issue: (names) => issue({ name: commonNameOf(kept.certificate), key: kept.key }, names, certificate, now()),
  }
}

/** Whether a certificate should make way for a new one. */
export function isAging({ endsAt }: ServerCertificate, now: number): boolean {
  return endsAt - now < LEFT_MS
}

function issue(
  authority: { name: string; key: KeyObject },
  names: readonly string[],
  chain: string,
  now: number,
): ServerCertificate {
  const endsAt = now + LIFE_MS
  const { certificate, key } = issueServer(authority, names, { from: new Date(now - CLOCKS_APART_MS), to: new Date(endsAt) })
  return {
    certificate: toPem(certificate) + chain,
    key: key.export({ type: 'pkcs8', format: 'pem' }).toString(),
    endsAt,
  }
}

interface Kept {
  certificate: X509Certificate
  key: KeyObject
}

async function read(path: string, now: number): Promise<Kept | undefined> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return ''
    throw error
  })
  let kept: Kept
  try {
    kept = { certificate: new X509Certificate(text), key: createPrivateKey(text) }
  } catch {
    return undefined // Missing or broken: made anew, as services are told at the next start.
  }
  const isWhole = kept.certificate.checkPrivateKey(kept.key)
  return isWhole && Date.parse(kept.certificate.validTo) - now > AUTHORITY_LEFT_DAYS * DAY_MS ? kept : undefined
}

async function make(folder: string, path: string, now: number): Promise<Kept> {
  // A name of its own: two authorities of one name would be taken for each other by who trusts both.
  const name = `shiv ${new Date(now).toISOString()}`
  const validity = { from: new Date(now - CLOCKS_APART_MS), to: new Date(now + AUTHORITY_DAYS * DAY_MS) }
  const { certificate, key } = makeAuthority(name, validity)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  await writeFileAtomic(path, key.export({ type: 'pkcs8', format: 'pem' }).toString() + toPem(certificate))
  return { certificate: new X509Certificate(certificate), key }
}

/** Services may be reading it. */
async function keepFile(path: string, text: string): Promise<void> {
  const isThere = (await readFile(path, 'utf8').catch(() => undefined)) === text
  if (!isThere) await writeFileAtomic(path, text)
}

function commonNameOf({ subject }: X509Certificate): string {
  return subject.replace(/^CN=/, '')
}

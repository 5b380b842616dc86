import { readFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { parse } from 'yaml'
import { ShivError } from '../../core/errors.ts'

/** How one API server is reached and what proves who we are. */
export interface Access {
  server: URL
  ca: Buffer | undefined
  certificate: Buffer | undefined
  key: Buffer | undefined
  token: string | undefined
  serverName: string | undefined
}

export interface KubeconfigFile {
  clusters?: { name: string; cluster: Record<string, unknown> }[]
  contexts?: { name: string; context: { cluster: string; user: string } }[]
  users?: { name: string; user: Record<string, unknown> }[]
}

/**
 * Reads one context of one kubeconfig file. The file's `current-context` is never used and nothing is written.
 * Throws KUBE_CONFIG_INVALID when the file or the context cannot be used.
 */
export async function readAccess(file: string, contextName: string): Promise<Access> {
  const config = await parseFile(file)
  const context = config.contexts?.find((entry) => entry.name === contextName)?.context
  const cluster = config.clusters?.find((entry) => entry.name === context?.cluster)?.cluster
  const user = config.users?.find((entry) => entry.name === context?.user)?.user
  if (context === undefined || cluster === undefined || user === undefined) {
    throw invalid(`The kubeconfig ${file} has no whole context "${contextName}".`)
  }
  if (typeof cluster['server'] !== 'string') throw invalid(`The cluster of context "${contextName}" in ${file} names no server.`)
  if (user['exec'] !== undefined || user['auth-provider'] !== undefined) {
    throw invalid(
      `The user of context "${contextName}" in ${file} logs in by a plugin; only certificates and tokens are used here.`,
    )
  }
  const read = (holder: Record<string, unknown>, name: string) => readMaterial(holder, name, dirname(file))
  const [ca, certificate, key, token] = await Promise.all([
    read(cluster, 'certificate-authority'),
    read(user, 'client-certificate'),
    read(user, 'client-key'),
    readToken(user, dirname(file)),
  ])
  const serverName = cluster['tls-server-name']
  return {
    server: new URL(cluster['server']),
    ca,
    certificate,
    key,
    token,
    serverName: typeof serverName === 'string' ? serverName : undefined,
  }
}

/** What a kubeconfig file holds; throws KUBE_CONFIG_INVALID. */
export async function parseFile(file: string): Promise<KubeconfigFile> {
  try {
    return (parse(await readFile(file, 'utf8')) ?? {}) as KubeconfigFile
  } catch (cause) {
    throw invalid(`The kubeconfig ${file} cannot be read.`, cause)
  }
}

/** kubeconfig holds each piece inline as base64 (`NAME-data`) or as a path relative to itself (`NAME`). */
export async function readMaterial(holder: Record<string, unknown>, name: string, folder: string): Promise<Buffer | undefined> {
  const inline = holder[`${name}-data`]
  if (typeof inline === 'string') return Buffer.from(inline, 'base64')
  const path = holder[name]
  return typeof path === 'string' ? await readFile(resolve(folder, path)) : undefined
}

/** The token that stands in the file, or in the file that it names. */
export async function readToken(user: Record<string, unknown>, folder: string): Promise<string | undefined> {
  if (typeof user['token'] === 'string') return user['token']
  const path = user['tokenFile']
  return typeof path === 'string' ? (await readFile(resolve(folder, path), 'utf8')).trim() : undefined
}

function invalid(message: string, cause?: unknown): ShivError {
  return new ShivError(message, { code: 'KUBE_CONFIG_INVALID', hint: 'shiv start writes it anew.', exit: 3, cause })
}

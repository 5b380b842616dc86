import { readFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { parse } from 'yaml'
import { ShivError } from '../../core/errors.ts'
import type { Caller } from '../caller.ts'
import { execCredential, isExecConfig } from './exec-credential.ts'

/** How one API server is reached and what proves who we are. */
export interface Access {
  server: URL
  ca: Buffer | undefined
  certificate: Buffer | undefined
  key: Buffer | undefined
  token: string | undefined
  serverName: string | undefined
  /** Until when a plugin's credential holds, epoch milliseconds; absent: it does not say. */
  expires?: number
}

export interface KubeconfigFile {
  clusters?: { name: string; cluster: Record<string, unknown> }[]
  contexts?: { name: string; context: { cluster: string; user: string } }[]
  users?: { name: string; user: Record<string, unknown> }[]
}

/** A cluster and a user as a kubeconfig has them, and the folders of the files that they stand in: relative paths are relative to those. */
export interface ContextParts {
  name: string
  server: URL
  cluster: Record<string, unknown>
  user: Record<string, unknown>
  folders: { cluster: string; user: string }
}

/**
 * Reads one context of one kubeconfig file. The file's `current-context` is never used and nothing is written. A credential plugin is run for
 * `caller`. Throws KUBE_CONFIG_INVALID when the file or the context cannot be used, and what `execCredential` throws.
 */
export async function readAccess(file: string, contextName: string, caller?: Caller): Promise<Access> {
  const config = await parseFile(file)
  const context = config.contexts?.find((entry) => entry.name === contextName)?.context
  const cluster = config.clusters?.find((entry) => entry.name === context?.cluster)?.cluster
  const user = config.users?.find((entry) => entry.name === context?.user)?.user
  if (context === undefined || cluster === undefined || user === undefined) {
    throw invalid(`The kubeconfig ${file} has no whole context "${contextName}".`)
  }
  if (typeof cluster['server'] !== 'string') throw invalid(`The cluster of context "${contextName}" in ${file} names no server.`)
  if (user['auth-provider'] !== undefined) {
    throw invalid(`The user of context "${contextName}" in ${file} logs in by an auth-provider, which no kubectl knows any more.`)
  }
  const folder = dirname(file)
  const parts = {
    name: contextName,
    server: new URL(cluster['server']),
    cluster,
    user,
    folders: { cluster: folder, user: folder },
  }
  return accessOf(parts, caller ?? { environment: process.env, folder }, AbortSignal.timeout(ASK_MS))
}

/** No longer than this for one asking of a credential plugin. */
const ASK_MS = 35_000

/** How a context's API server is reached, and what proves who the caller is. Throws what `execCredential` throws. */
export async function accessOf(context: ContextParts, caller: Caller, signal: AbortSignal): Promise<Access> {
  const { cluster, user, folders, server } = context
  const [ca, certificate, key, token, credential] = await Promise.all([
    readMaterial(cluster, 'certificate-authority', folders.cluster),
    readMaterial(user, 'client-certificate', folders.user),
    readMaterial(user, 'client-key', folders.user),
    readToken(user, folders.user),
    credentialOf(context, caller, signal),
  ])
  const serverName = cluster['tls-server-name']
  return {
    server,
    ca,
    certificate: credential?.certificate ?? certificate,
    key: credential?.key ?? key,
    token: credential?.token ?? token,
    serverName: typeof serverName === 'string' ? serverName : undefined,
    ...(credential?.expires !== undefined && { expires: credential.expires }),
  }
}

async function credentialOf({ user, folders, cluster, name }: ContextParts, caller: Caller, signal: AbortSignal) {
  const config = user['exec']
  if (config === undefined || config === null) return undefined
  if (!isExecConfig(config)) {
    throw new ShivError(`The user of context "${name}" names no command in its exec entry.`, {
      code: 'KUBE_CONFIG_INVALID',
      exit: 3,
      hint: 'write the context anew as your platform team tells',
    })
  }
  const ca = await readMaterial(cluster, 'certificate-authority', folders.cluster)
  const told = { ...cluster, ...(ca && { 'certificate-authority-data': ca.toString('base64') }) }
  return execCredential(config, { caller, folder: folders.user, cluster: told, context: name, signal })
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

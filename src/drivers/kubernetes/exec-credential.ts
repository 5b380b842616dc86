import { resolve } from 'node:path'
import { ShivError } from '../../core/errors.ts'
import type { Caller } from '../caller.ts'
import { readSecret } from '../read-secret.ts'

/** The `exec` entry of a kubeconfig's user (client.authentication.k8s.io). */
export interface ExecConfig {
  command: string
  args?: string[] | null
  env?: { name: string; value: string }[] | null
  apiVersion?: string
  provideClusterInfo?: boolean
  interactiveMode?: string
  /** What its vendor says where it is not installed. */
  installHint?: string
}

const VERSIONS = ['client.authentication.k8s.io/v1', 'client.authentication.k8s.io/v1beta1']

export interface ExecCredential {
  token: string | undefined
  certificate: Buffer | undefined
  key: Buffer | undefined
  /** Epoch milliseconds; undefined: it does not say. */
  expires: number | undefined
}

export function isExecConfig(value: unknown): value is ExecConfig {
  return typeof value === 'object' && value !== null && typeof (value as ExecConfig).command === 'string'
}

/**
 * Asks a kubeconfig's credential plugin, as kubectl does but never by a question to the user; its arguments are in no message. Throws
 * KUBE_CONFIG_INVALID where it could not be asked so, DEPENDENCY_COMMAND_FAILED where it fails, DEPENDENCY_TOKEN_FAILED where it answers with
 * something that is no credential.
 */
export async function execCredential(
  config: ExecConfig,
  options: { caller: Caller; folder: string; cluster: Record<string, unknown>; context: string; signal: AbortSignal },
): Promise<ExecCredential> {
  const { caller, folder, cluster, context, signal } = options
  const apiVersion = config.apiVersion ?? VERSIONS[0]!
  if (!VERSIONS.includes(apiVersion))
    throw cannotAsk(context, `its plugin speaks ${apiVersion}, and shiv ${VERSIONS.join(' and ')}`)
  if (config.interactiveMode === 'Always') throw cannotAsk(context, 'its plugin always asks the user, and here is nobody to ask')
  // A name alone is found on PATH; a path is relative to the file that it stands in.
  const command = /[\\/]/.test(config.command) ? resolve(folder, config.command) : config.command
  const info = {
    apiVersion,
    kind: 'ExecCredential',
    spec: { interactive: false, ...(config.provideClusterInfo === true && { cluster: clusterInfo(cluster) }) },
  }
  const text = await readSecret([command, ...(config.args ?? [])], caller, {
    what: `The credential of context "${context}"`,
    signal,
    hint:
      config.installHint ??
      `kubectl --context ${context} version must work without a question; log in as your platform team tells`,
    environment: {
      ...Object.fromEntries((config.env ?? []).map(({ name, value }) => [name, value])),
      KUBERNETES_EXEC_INFO: JSON.stringify(info),
    },
  })
  const credential = readCredential(text, apiVersion, context)
  if (credential.token !== undefined) caller.conceal?.(credential.token)
  return credential
}

/** The cluster as a plugin is told of it: its authority as base64, whichever way the file has it. */
function clusterInfo(cluster: Record<string, unknown>): Record<string, unknown> {
  const names = ['server', 'tls-server-name', 'insecure-skip-tls-verify', 'certificate-authority-data', 'proxy-url']
  return Object.fromEntries(names.flatMap((name) => (cluster[name] === undefined ? [] : [[name, cluster[name]]])))
}

function readCredential(text: string, wanted: string, context: string): ExecCredential {
  const { status, kind = 'ExecCredential', apiVersion = wanted } = parse(text) ?? {}
  const pem = (value: unknown): Buffer | undefined => (typeof value === 'string' ? Buffer.from(value) : undefined)
  const token = typeof status?.token === 'string' && status.token !== '' ? status.token : undefined
  const certificate = pem(status?.clientCertificateData)
  const key = pem(status?.clientKeyData)
  const isNone = token === undefined && (certificate === undefined || key === undefined)
  if (isNone || kind !== 'ExecCredential' || apiVersion !== wanted) {
    throw new ShivError(
      `The credential plugin of context "${context}" answered with neither a token nor a certificate in the form of ${wanted}.`,
      {
        code: 'DEPENDENCY_TOKEN_FAILED',
        hint: `kubectl --context ${context} auth whoami says whether you are logged in`,
      },
    )
  }
  const expires = Date.parse(String(status?.expirationTimestamp))
  return { token, certificate, key, expires: Number.isNaN(expires) ? undefined : expires }
}

function cannotAsk(context: string, why: string): ShivError {
  return new ShivError(`The credential of context "${context}" cannot be asked for: ${why}.`, {
    code: 'KUBE_CONFIG_INVALID',
    exit: 3,
    hint: `kubectl config view --minify --context ${context} shows its exec entry; write it anew as your platform team tells`,
  })
}

interface Answered {
  kind?: unknown
  apiVersion?: unknown
  status?: Record<string, unknown>
}

function parse(text: string): Answered | undefined {
  try {
    return JSON.parse(text) as Answered
  } catch {
    return undefined // told by the caller, without the text: it may hold half a credential
  }
}

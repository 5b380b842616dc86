import { ShivError } from '../../core/errors.ts'
import type { RemoteCredentials } from '../../plan/remote.ts'
import { KubeApiError } from '../kubernetes/client.ts'
import { knownPath } from '../kubernetes/mapping.ts'
import type { SecretObject } from '../kubernetes/objects.ts'
import type { Caller } from '../caller.ts'
import type { ClusterAccess } from './cluster-access.ts'
import { readSecret } from '../read-secret.ts'

export interface DatabaseCredentials {
  user: string
  password: string
  /** The database's real name there. */
  database?: string
}

/**
 * Reads user and password of a database in another environment: from a Secret of its cluster, from a variable or from what a command prints.
 * They are handed on and kept nowhere. Throws DEPENDENCY_CREDENTIALS and DEPENDENCY_COMMAND_FAILED; no message holds a value.
 */
export async function readCredentials(
  source: RemoteCredentials,
  place: { database: string; namespace: string; cluster: ClusterAccess; caller: Caller },
  signal: AbortSignal,
): Promise<DatabaseCredentials> {
  const { database, caller } = place
  const found = 'secret' in source ? await fromSecret(source, place, signal) : await fromCaller(source, place, signal)
  caller.conceal?.(found.password)
  if (found.password === '' && found.user === '') throw missing(database, 'they are empty', 'look at what gives them')
  return found
}

async function fromSecret(
  { secret, keys = {} }: Extract<RemoteCredentials, { secret: string }>,
  { database, namespace, cluster }: { database: string; namespace: string; cluster: ClusterAccess },
  signal: AbortSignal,
): Promise<DatabaseCredentials> {
  const path = knownPath('Secret', namespace, secret)
  const show = `kubectl --context ${cluster.context} -n ${namespace} get secret ${secret}`
  const object = await cluster
    .use((client) => client.call<SecretObject>('GET', path, { signal }), signal)
    .catch((error: unknown) => {
      if (!(error instanceof KubeApiError)) throw error
      const why =
        error.status === 404 ? `there is no Secret ${secret} in ${namespace}` : `${cluster.context} says: ${error.message}`
      throw missing(database, why, show)
    })
  const value = (key: string): string | undefined => {
    const text = object.data?.[key]
    return text === undefined ? undefined : Buffer.from(text, 'base64').toString('utf8').trim()
  }
  const password = value(keys.password ?? 'password')
  if (password === undefined) throw missing(database, `the Secret ${secret} has no key ${keys.password ?? 'password'}`, show)
  const name = value(keys.name ?? 'name')
  return { user: value(keys.user ?? 'user') ?? '', password, ...(name && { database: name }) }
}

async function fromCaller(
  source: Exclude<RemoteCredentials, { secret: string }>,
  { database, caller }: { database: string; caller: Caller },
  signal: AbortSignal,
): Promise<DatabaseCredentials> {
  const user = source.user ?? ''
  if ('command' in source) {
    return { user, password: await readSecret(source.command, caller, { what: `The password of ${database}`, signal }) }
  }
  const password = caller.environment[source.env]
  if (password) return { user, password }
  throw missing(database, `the variable ${source.env} is not set`, `export ${source.env}=… && shiv start`)
}

function missing(database: string, why: string, hint: string): ShivError {
  return new ShivError(`The credentials of ${database} cannot be read: ${why}.`, { code: 'DEPENDENCY_CREDENTIALS', hint })
}

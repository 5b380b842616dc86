import { homedir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { ShivError } from '../../core/errors.ts'
import { didYouMean } from '../../core/suggest.ts'
import { type Access, type KubeconfigFile, parseFile, readMaterial, readToken } from '../kubernetes/kubeconfig.ts'
import type { Caller } from './caller.ts'
import { type ExecConfig, execCredential, isExecConfig } from './exec-credential.ts'

/** One context of the user's kubeconfig, as its files say. */
export interface UserContext {
  name: string
  server: URL
  namespace: string | undefined
  cluster: Record<string, unknown>
  user: Record<string, unknown>
  /** Of the files that cluster and user stand in: relative paths are relative to them. */
  folders: { cluster: string; user: string }
}

/**
 * Finds a context by name in the files of KUBECONFIG, or in ~/.kube/config; of two entries of a name the first counts, as kubectl has it.
 * Files are read and never written; `current-context` is not looked at. Throws DEPENDENCY_CONTEXT_UNKNOWN and KUBE_CONFIG_INVALID.
 */
export async function findContext(name: string, { environment }: Pick<Caller, 'environment'>): Promise<UserContext> {
  const files = await readFiles(filesOf(environment))
  const named = <T extends { name: string }>(
    list: (config: KubeconfigFile) => T[] | undefined | null,
    wanted: string | undefined,
  ) =>
    files
      .flatMap(({ path, config }) => (list(config) ?? []).map((entry) => ({ entry, folder: dirname(path) })))
      .find(({ entry }) => entry.name === wanted)
  const context = named((config) => config.contexts, name)?.entry.context
  const cluster = named((config) => config.clusters, context?.cluster)
  const user = named((config) => config.users, context?.user)
  const known = files.flatMap(({ config }) => (config.contexts ?? []).map((entry) => entry.name))
  if (context === undefined) throw unknownContext(name, known, filesOf(environment))
  const server = cluster?.entry.cluster['server']
  if (cluster === undefined || user === undefined || typeof server !== 'string' || !URL.canParse(server)) {
    throw new ShivError(`The context "${name}" of your kubeconfig is not whole: its cluster or its user is missing.`, {
      code: 'KUBE_CONFIG_INVALID',
      exit: 3,
      hint: `kubectl --context ${name} version shows the same; write the context anew as your platform team tells`,
    })
  }
  return {
    name,
    server: new URL(server),
    namespace: (context as { namespace?: string }).namespace,
    cluster: cluster.entry.cluster,
    user: user.entry.user ?? {},
    folders: { cluster: cluster.folder, user: user.folder },
  }
}

/** How a context's API server is reached, and what proves who the caller is; of an exec credential, until `expires` (epoch milliseconds). */
export async function accessOf(
  context: UserContext,
  caller: Caller,
  signal: AbortSignal,
): Promise<{ access: Access; expires: number | undefined }> {
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
    access: {
      server,
      ca,
      certificate: credential?.certificate ?? certificate,
      key: credential?.key ?? key,
      token: credential?.token ?? token,
      serverName: typeof serverName === 'string' ? serverName : undefined,
    },
    expires: credential?.expires,
  }
}

function credentialOf({ user, folders, cluster, name }: UserContext, caller: Caller, signal: AbortSignal) {
  const config = user['exec']
  if (config === undefined || config === null) return undefined
  if (!isExecConfig(config)) {
    throw new ShivError(`The user of context "${name}" names no command in its exec entry.`, {
      code: 'KUBE_CONFIG_INVALID',
      exit: 3,
      hint: 'write the context anew as your platform team tells',
    })
  }
  return execCredential(config satisfies ExecConfig, { caller, folder: folders.user, cluster, context: name, signal })
}

function filesOf(environment: NodeJS.ProcessEnv): string[] {
  const listed = (environment['KUBECONFIG'] ?? '').split(delimiter).filter(Boolean)
  return listed.length > 0 ? listed : [join(environment['HOME'] ?? homedir(), '.kube', 'config')]
}

/** Files that KUBECONFIG names need not be there. */
async function readFiles(paths: string[]): Promise<{ path: string; config: KubeconfigFile }[]> {
  const read = await Promise.all(
    paths.map(async (path) => {
      try {
        return { path, config: await parseFile(path) }
      } catch (error) {
        const cause = error instanceof ShivError ? (error.cause as NodeJS.ErrnoException | undefined) : undefined
        if (cause?.code === 'ENOENT') return undefined
        throw error
      }
    }),
  )
  return read.filter((file) => file !== undefined)
}

function unknownContext(name: string, known: string[], files: string[]): ShivError {
  return new ShivError(`Your kubeconfig (${files.join(', ')}) has no context "${name}".`, {
    code: 'DEPENDENCY_CONTEXT_UNKNOWN',
    exit: 2,
    hint:
      known.length > 0
        ? didYouMean(name, known)
        : 'log in to the cluster as your platform team tells, then: kubectl config get-contexts',
  })
}

import { homedir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { ShivError } from '../../core/errors.ts'
import { didYouMean } from '../../core/suggest.ts'
import { type ContextParts, type KubeconfigFile, parseFile } from '../kubernetes/kubeconfig.ts'
import type { Caller } from '../caller.ts'

/** One context of the user's kubeconfig, as its files say. */
export interface UserContext extends ContextParts {
  namespace: string | undefined
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

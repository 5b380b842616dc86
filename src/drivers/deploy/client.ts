import { ShivError } from '../../core/errors.ts'
import type { DeployCaller } from '../../engine/deploy/ports.ts'
import type { ClusterAccess } from '../dependency/cluster-access.ts'
import { createClusterAccess } from '../dependency/cluster-access.ts'
import { findContext } from '../dependency/user-kubeconfig.ts'
import { type CallOptions, KubeApiError, type KubeClient, type Verb } from '../kubernetes/client.ts'

/** The API server of a context of the user's kubeconfig, as a client whose credential is renewed by itself. */
export interface UserCluster {
  client: KubeClient
  access: ClusterAccess
  server: string
}

/** Throws DEPENDENCY_CONTEXT_UNKNOWN, KUBE_CONFIG_INVALID, KUBE_UNREACHABLE, KUBE_DENIED. */
export async function connectUserCluster(context: string, { environment, folder, signal }: DeployCaller): Promise<UserCluster> {
  const caller = { environment, folder }
  const { server } = await findContext(context, caller)
  const access = createClusterAccess(context, caller)
  // What is left behind has to be tidied after the caller is gone, too.
  const always = new AbortController().signal
  const first = await access.client(signal)
  const asked = async <T>(work: (current: KubeClient) => Promise<T>, asking: AbortSignal): Promise<T> => {
    try {
      return await access.use(work, asking)
    } catch (error) {
      throw explain(error, context, server.host)
    }
  }
  const client: KubeClient = {
    access: first.access,
    call: <T>(verb: Verb, path: string, options?: CallOptions) =>
      asked((current) => current.call<T>(verb, path, options), options?.signal ?? always),
    stream: (path, streaming) => asked((current) => current.stream(path, streaming), streaming),
    close: () => access.close(),
  }
  return { client, access, server: server.host }
}

/** The hints of a cluster of ours do not help with one of the user's. */
function explain(error: unknown, context: string, host: string): unknown {
  if (error instanceof ShivError && error.code === 'KUBE_UNREACHABLE') {
    const reason = (error.cause as Error | undefined)?.message ?? error.message
    return new ShivError(`The API server of context "${context}" at ${host} does not answer: ${reason}`, {
      code: 'KUBE_UNREACHABLE',
      exit: 3,
      hint: `kubectl --context ${context} get --raw /readyz shows the same; a VPN may be off`,
      cause: error.cause,
    })
  }
  if (!(error instanceof KubeApiError) || error.status !== 401) return error
  return new ShivError(`The cluster of context "${context}" does not know who you are.`, {
    code: 'KUBE_DENIED',
    exit: 3,
    hint: `log in as your platform team tells, then: kubectl --context ${context} auth whoami`,
    evidence: [error.message],
    cause: error,
  })
}

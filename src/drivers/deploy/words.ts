import { ShivError } from '../../core/errors.ts'
import type { ReleaseCluster } from '../../engine/deploy/ports.ts'
import { KubeApiError } from '../kubernetes/client.ts'

/** The same cluster, of which no refusal comes out that nobody put into words. */
export function withWords(cluster: ReleaseCluster, context: string): ReleaseCluster {
  const told =
    <A extends unknown[], R>(work: (...args: A) => Promise<R>) =>
    async (...args: A): Promise<R> => {
      try {
        return await work(...args)
      } catch (error) {
        throw inWords(error, context)
      }
    }
  return {
    ...cluster,
    history: told(cluster.history),
    objectsOf: told(cluster.objectsOf),
    remember: told(cluster.remember),
    readiness: told(cluster.readiness),
    compare: told(cluster.compare),
    ensureNamespace: told(cluster.ensureNamespace),
    lock: told(cluster.lock),
    lockHolder: told(cluster.lockHolder),
    ensureCredentials: told(cluster.ensureCredentials),
    apply: told(cluster.apply),
    awaitRollout: told(cluster.awaitRollout),
    prune: told(cluster.prune),
    proveHealth: told(cluster.proveHealth),
    pods: told(cluster.pods),
    async *logs(query, signal) {
      try {
        yield* cluster.logs(query, signal)
      } catch (error) {
        throw inWords(error, context)
      }
    },
  }
}

function inWords(error: unknown, context: string): unknown {
  if (error instanceof ShivError && error.code === 'POD_IMAGE_MISSING') {
    const hint = `its nodes must be able to pull it; what they say: kubectl --context ${context} get events -A --field-selector reason=Failed`
    return new ShivError(error.message, { ...error, hint, cause: error })
  }
  if (!(error instanceof KubeApiError)) return error
  if (error.status === 403) {
    return new ShivError(`The cluster of context "${context}" does not let you: ${error.message}`, {
      code: 'KUBE_FORBIDDEN',
      exit: 3,
      hint: 'docs/deploy.md lists the rights that deploying needs; your platform team gives them',
      cause: error,
    })
  }
  return new ShivError(`The API server of context "${context}" refuses: ${error.message}`, {
    code: 'KUBE_REFUSED',
    hint: `kubectl --context ${context} get --raw /readyz shows how it is; run the command again`,
    cause: error,
  })
}

import { ShivError } from '../../core/errors.ts'
import type { Reach, Upstream } from '../../engine/dependency-ports.ts'
import type { RemoteEnvironment, RemoteTarget } from '../../plan/remote.ts'
import type { Caller } from '../caller.ts'
import { createClusterAccess } from './cluster-access.ts'
import { readCredentials } from './credentials.ts'
import { readAuthority } from './reach-url.ts'
import { createTunnel } from './tunnel.ts'
import { findContext } from './user-kubeconfig.ts'

type ClusterTarget = Exclude<RemoteTarget, { kind: 'url' }>

/**
 * The way to a Service or a database of another environment's cluster: through its API server, with the credentials of the environment's
 * context. Throws DEPENDENCY_NO_CONTEXT, and DEPENDENCY_CONTEXT_UNKNOWN where the user's kubeconfig does not have it.
 */
export async function reachCluster(
  target: ClusterTarget,
  environment: RemoteEnvironment | undefined,
  caller: Caller,
): Promise<Reach> {
  const context = environment?.context
  if (context === undefined) throw noContext(target)
  const ca = target.kind === 'service' && target.ca !== undefined ? await readAuthority(target.ca, caller.folder) : undefined
  await findContext(context, caller)
  const cluster = createClusterAccess(context, caller)
  const service = target.kind === 'service' ? target.service : target.database
  const tunnel = createTunnel({
    cluster,
    namespace: target.namespace,
    service,
    ...(target.kind === 'service' && target.port !== undefined && { port: target.port }),
  })
  const upstream: Upstream = {
    url: urlOf(target),
    label: `${target.environment} (${target.kind === 'service' ? `${service}.${target.namespace}` : service})`,
    connect: (signal) => tunnel.connect(signal),
    ...(ca !== undefined && { ca }),
    ...(target.kind === 'service' && target.servername !== undefined && { servername: target.servername }),
    ...(target.kind === 'database' && {
      credentials: (signal) => readCredentials(target.credentials, { ...target, cluster, caller }, signal),
    }),
  }
  return {
    upstream,
    close: async () => tunnel.close(),
  }
}

function urlOf(target: ClusterTarget): URL {
  if (target.kind === 'database') return new URL(`${target.type}://${target.database}.${target.namespace}`)
  const { service, namespace, port, tls } = target
  const numbered = port !== undefined && /^\d+$/.test(port) ? `:${port}` : ''
  return new URL(`${tls ? 'https' : 'http'}://${service}.${namespace}${numbered}`)
}

function noContext({ environment }: ClusterTarget): ShivError {
  return new ShivError(`${environment} names no context of a kubeconfig, so nothing leads into its cluster.`, {
    code: 'DEPENDENCY_NO_CONTEXT',
    exit: 2,
    hint: `write it in shiv.yaml: environments: { ${environment}: { context: NAME } }; kubectl config get-contexts lists yours`,
  })
}

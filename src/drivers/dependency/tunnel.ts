import { Agent } from 'node:https'
import type { Duplex } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { ShivError } from '../../core/errors.ts'
import { KubeApiError, type KubeClient } from '../kubernetes/client.ts'
import { knownPath } from '../kubernetes/mapping.ts'
import type { ClusterAccess } from './cluster-access.ts'
import { ForwardStream } from './tunnel/forward-stream.ts'
import { type PodPort, resolveService, type ServiceTarget } from './tunnel/resolve.ts'
import { openWebSocket } from './tunnel/web-socket.ts'

export interface TunnelTarget extends ServiceTarget {
  /** The API server, and who asks it. */
  cluster: Pick<ClusterAccess, 'context' | 'use' | 'close'>
}

/** A way to the pods behind a Service, through the cluster's API server. */
export interface Tunnel {
  /**
   * Bytes to a pod that is ready now; as `Upstream.connect`. While there is no network or no pod it tries again until `signal` aborts, and then
   * rejects with a ShivError that says why.
   */
  connect(signal: AbortSignal): Promise<Duplex>
  /** Ends what is kept for new connections; open ones go on. */
  close(): void
}

const PROTOCOL = 'v4.channel.k8s.io'
/** Between attempts: a network that came back is used within two seconds, and its absence costs nearly nothing. */
const FIRST_PAUSE_MS = 50
const LONGEST_PAUSE_MS = 1_000
/** How long one attempt may take; grows while the way is slow, so that a slow way is not taken for none. */
const FIRST_PATIENCE_MS = 2_000
const LONGEST_PATIENCE_MS = 8_000
/** Connections that come at once ask once. */
const RESOLVED_MS = 1_000

export function createTunnel(target: TunnelTarget): Tunnel {
  const agent = new Agent({ keepAlive: false, maxCachedSessions: 20 })
  let patienceMs = FIRST_PATIENCE_MS
  let turn = 0
  let resolved: { pods: Promise<PodPort[]>; until: number } | undefined

  const podsOf = (client: KubeClient): Promise<PodPort[]> => {
    if (resolved && resolved.until > performance.now()) return resolved.pods
    const pods = resolveService(client, target, AbortSignal.timeout(patienceMs))
    resolved = { pods, until: performance.now() + RESOLVED_MS }
    pods.catch(() => (resolved = undefined))
    return pods
  }
  const attempt = (signal: AbortSignal): Promise<Duplex> => target.cluster.use((client) => open(client, signal), signal)
  const open = async (client: KubeClient, signal: AbortSignal): Promise<Duplex> => {
    const pods = await podsOf(client)
    turn += 1
    const { pod, port } = pods[turn % pods.length]!
    const path = `${knownPath('Pod', target.namespace, pod)}/portforward?ports=${port}`
    const deadline = AbortSignal.timeout(patienceMs)
    const opening = new AbortController()
    const abort = (): void => opening.abort()
    for (const end of [signal, deadline]) end.addEventListener('abort', abort, { once: true })
    if (signal.aborted) abort()
    try {
      const socket = await openWebSocket(client.access, path, PROTOCOL, agent, opening.signal)
      return new ForwardStream(socket)
    } finally {
      // The open connection outlives both.
      for (const end of [signal, deadline]) end.removeEventListener('abort', abort)
    }
  }
  return {
    async connect(signal) {
      let last: unknown
      for (let pauseMs = FIRST_PAUSE_MS; !signal.aborted; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
        const began = performance.now()
        try {
          const stream = await attempt(signal)
          patienceMs = Math.max(FIRST_PATIENCE_MS, Math.min(patienceMs, 4 * (performance.now() - began)))
          return stream
        } catch (error) {
          if (isFinal(error)) throw describe(target, error)
          if (!signal.aborted) last = error
          resolved = undefined
          if (performance.now() - began >= patienceMs) patienceMs = Math.min(patienceMs * 1.5, LONGEST_PATIENCE_MS)
          await delay(pauseMs, undefined, { signal }).catch(() => {
            // Aborted while waiting: the loop's condition ends it.
          })
        }
      }
      throw describe(target, last ?? new Error('it took too long'))
    },
    close() {
      target.cluster.close()
      agent.destroy()
    },
  }
}

/** What no waiting mends. A pod that is gone, an API server that is busy or starts: those it does. */
function isFinal(error: unknown): boolean {
  if (error instanceof KubeApiError) return [400, 401, 403].includes(error.status)
  return error instanceof ShivError && error.code !== 'TUNNEL_NO_POD' && error.code !== 'KUBE_UNREACHABLE'
}

function describe({ namespace, service, cluster: { context } }: TunnelTarget, error: unknown): Error {
  if (error instanceof ShivError && error.code !== 'KUBE_UNREACHABLE') return error
  const why =
    error instanceof ShivError ? ((error.cause as Error | undefined)?.message ?? error.message) : (error as Error).message
  const isRefused = error instanceof KubeApiError && (error.status === 401 || error.status === 403)
  return new ShivError(`${service}.${namespace} cannot be reached through the API server of context ${context}: ${why}.`, {
    code: isRefused ? 'TUNNEL_FORBIDDEN' : 'TUNNEL_UNREACHABLE',
    exit: 3,
    hint: isRefused
      ? `kubectl --context ${context} auth can-i get pods --subresource=portforward --namespace ${namespace}`
      : `kubectl --context ${context} get --raw /readyz`,
    cause: error,
  })
}

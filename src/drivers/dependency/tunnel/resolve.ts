import { ShivError } from '../../../core/errors.ts'
import { isMissing, type KubeClient } from '../../kubernetes/client.ts'
import { knownPath, pathOf, resourceOf } from '../../kubernetes/mapping.ts'
import type { EndpointSlice, ServiceObject } from '../../kubernetes/objects.ts'

export interface ServiceTarget {
  namespace: string
  service: string
  /** Name or number of the Service's port; absent: its only one. */
  port?: string
}

export interface PodPort {
  pod: string
  port: number
}

type Slice = Omit<EndpointSlice, 'endpoints'> & {
  ports?: { name?: string; port?: number }[]
  endpoints?: { conditions?: { ready?: boolean }; targetRef?: { kind?: string; name: string } }[]
}
type Ported = ServiceObject & { spec: { externalName?: string } }

/**
 * The pods behind a Service that are ready now, and the port of each. Throws TUNNEL_SERVICE_UNKNOWN, TUNNEL_PORT_UNKNOWN and TUNNEL_NOT_A_POD for
 * what no waiting mends, TUNNEL_NO_POD when none is ready.
 */
export async function resolveService(client: KubeClient, target: ServiceTarget, signal: AbortSignal): Promise<PodPort[]> {
  const { namespace, service } = target
  const place = `${service}.${namespace}`
  const slices = (await resourceOf(client, 'discovery.k8s.io/v1', 'EndpointSlice'))!
  const query = `labelSelector=${encodeURIComponent(`kubernetes.io/service-name=${service}`)}`
  const [found, list] = await Promise.all([
    client.call<Ported>('GET', knownPath('Service', namespace, service), { signal }).catch((error: unknown) => {
      throw isMissing(error) ? unknownService(place, client) : error
    }),
    client.call<{ items: Slice[] | null }>('GET', `${pathOf(slices, namespace)}?${query}`, { signal }),
  ])
  if (found.spec.type === 'ExternalName') throw notAPod(place, found.spec.externalName ?? '')
  const name = portName(found, target.port, place)
  const pods = (list.items ?? []).flatMap(({ ports, endpoints }) => {
    const port = ports?.find((entry) => (entry.name ?? '') === name)?.port
    const ready = (endpoints ?? []).filter(({ conditions }) => conditions?.ready !== false)
    return port === undefined
      ? []
      : ready.map(({ targetRef }) => ({ pod: targetRef?.kind === 'Pod' ? targetRef.name : '', port }))
  })
  if (pods.length > 0 && pods.every(({ pod }) => pod === '')) throw notAPod(place, 'addresses that are no pods')
  const usable = pods.filter(({ pod }) => pod !== '')
  if (usable.length > 0) return usable
  throw new ShivError(`${place} has no ready pod.`, {
    code: 'TUNNEL_NO_POD',
    hint: `kubectl --context NAME --namespace ${namespace} get pods`,
  })
}

/** The name of the Service's port, by which its slices know it. */
function portName({ spec }: Ported, wanted: string | undefined, place: string): string {
  const ports = spec.ports ?? []
  const port =
    wanted === undefined
      ? ports.length === 1
        ? ports[0]
        : undefined
      : ports.find((entry) => entry.name === wanted || String(entry.port) === wanted)
  if (port !== undefined) return port.name ?? ''
  const has = ports.map((entry) => entry.name ?? String(entry.port)).join(', ') || 'none'
  throw new ShivError(wanted === undefined ? `${place} has not one port.` : `${place} has no port ${wanted}.`, {
    code: 'TUNNEL_PORT_UNKNOWN',
    exit: 2,
    hint: `its ports: ${has}`,
  })
}

function unknownService(place: string, { access }: KubeClient): ShivError {
  return new ShivError(`There is no Service ${place} in the cluster at ${access.server.host}.`, {
    code: 'TUNNEL_SERVICE_UNKNOWN',
    exit: 2,
    hint: 'look at the names under dependencies in service.yaml, and at the namespace under environments in shiv.yaml',
  })
}

function notAPod(place: string, what: string): ShivError {
  return new ShivError(`${place} leads to ${what}: there is no pod through which it could be reached.`, {
    code: 'TUNNEL_NOT_A_POD',
    exit: 2,
    hint: 'name its address instead of the Service, if this machine can reach it',
  })
}

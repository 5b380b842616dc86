import { podSpecOf } from '../../plan/pod-templates.ts'
import type { KubeObject, Plan, ServicePlan } from '../../plan/types.ts'

/** What `probesOf` makes of a service's health. */
interface Probe {
  httpGet?: { path: string; port: number }
  grpc?: { port: number }
  tcpSocket?: { port: number }
  periodSeconds: number
  timeoutSeconds: number
  failureThreshold: number
}

/** A patch may have taken the others away. */
interface Probes {
  startupProbe?: Probe
  livenessProbe?: Probe
  readinessProbe: Probe
}

/**
 * The Plan as it was when `objects` were released, as far as a release is judged by it: the Secrets that its pods read, and how its service is asked
 * whether it is well. Which address leads there is the environment's, and stays as it is now.
 */
export function asReleased(plan: Plan, objects: KubeObject[]): Plan {
  return {
    ...plan,
    objects,
    services: plan.services.map((service) => ({ ...service, ...askedBy(probesIn(service.name, objects)) })),
  }
}

/** The probes of the service's own pods; undefined for what listens nowhere. */
function probesIn(service: string, objects: KubeObject[]): Probes | undefined {
  const server = objects.find(({ kind, metadata: { labels } }) => {
    const isWorkload = kind === 'Deployment' || kind === 'StatefulSet'
    return isWorkload && labels?.['app.kubernetes.io/name'] === service && labels['app.kubernetes.io/component'] === 'server'
  })
  const containers = (server && podSpecOf(server)?.['containers']) as Partial<Probes>[] | undefined
  return containers?.find((container): container is Probes => container.readinessProbe !== undefined)
}

/** A deploy asks what the kubelet asks. */
function askedBy(probes: Probes | undefined): Pick<ServicePlan, 'ports' | 'health'> {
  if (probes === undefined) return { ports: [], health: undefined }
  const { startupProbe, livenessProbe, readinessProbe } = probes
  const { httpGet, grpc, tcpSocket, periodSeconds, timeoutSeconds, failureThreshold } = readinessProbe
  const name = 'released'
  if (httpGet === undefined) {
    const port = grpc?.port ?? tcpSocket?.port
    return { ports: port === undefined ? [] : [{ name, port, protocol: 'tcp' }], health: undefined }
  }
  return {
    ports: [{ name, port: httpGet.port, protocol: 'http' }],
    health: {
      path: livenessProbe?.httpGet?.path ?? httpGet.path,
      readinessPath: httpGet.path,
      port: name,
      periodSeconds,
      timeoutSeconds,
      failureThreshold,
      startupSeconds: startupProbe?.failureThreshold ?? failureThreshold,
    },
  }
}

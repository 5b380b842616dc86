import { podSpecOf } from '../../plan/pod-templates.ts'
import type { KubeObject, Plan, ServicePlan } from '../../plan/types.ts'

interface Probe {
  httpGet?: { path: string; port: number }
  grpc?: { port: number }
  tcpSocket?: { port: number }
}

/**
 * The Plan as it was when `objects` were released, as far as a release is judged by it: the Secrets that its pods read, and how its service is asked
 * whether it is well. Which address leads there is the environment's, and stays as it is now.
 */
export function asReleased(plan: Plan, objects: KubeObject[]): Plan {
  return {
    ...plan,
    objects,
    services: plan.services.map((service) => ({ ...service, ...askedBy(probeOf(service.name, objects)) })),
  }
}

/** The readiness probe of the service's own pods; undefined for what listens nowhere. */
function probeOf(service: string, objects: KubeObject[]): Probe | undefined {
  const server = objects.find(({ kind, metadata: { labels } }) => {
    const isWorkload = kind === 'Deployment' || kind === 'StatefulSet'
    return isWorkload && labels?.['app.kubernetes.io/name'] === service && labels['app.kubernetes.io/component'] === 'server'
  })
  const containers = (server && podSpecOf(server)?.['containers']) as { readinessProbe?: Probe }[] | undefined
  return containers?.find(({ readinessProbe }) => readinessProbe !== undefined)?.readinessProbe
}

/** A deploy asks what the kubelet asks. */
function askedBy(probe: Probe | undefined): Pick<ServicePlan, 'ports' | 'health'> {
  const name = 'released'
  if (probe?.httpGet !== undefined) {
    const { path, port } = probe.httpGet
    const health = {
      path,
      readinessPath: path,
      port: name,
      periodSeconds: 10,
      timeoutSeconds: 1,
      failureThreshold: 3,
      startupSeconds: 60,
    }
    return { ports: [{ name, port, protocol: 'http' }], health }
  }
  const port = probe?.grpc?.port ?? probe?.tcpSocket?.port
  return { ports: port === undefined ? [] : [{ name, port, protocol: 'tcp' }], health: undefined }
}

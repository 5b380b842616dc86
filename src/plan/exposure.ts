import type { Service } from '../spec/model.ts'
import { partLabels } from './labels.ts'
import { kubeObject } from './object.ts'
import type { ObjectScope } from './object.ts'
import type { KubeObject } from './types.ts'
import { isAutoscaled, workloadName } from './workloads.ts'

/** The Service: its ports are the container's, so that an address is the same inside and outside a cluster. */
export function serviceObject(service: Service, scope: ObjectScope): KubeObject {
  return kubeObject(
    scope,
    { apiVersion: 'v1', kind: 'Service', name: service.name, labels: partLabels(service.name, 'server') },
    {
      spec: {
        type: 'ClusterIP',
        selector: partLabels(service.name, 'server'),
        ports: service.ports.map((port) => ({ name: port.name, port: port.port, targetPort: port.port, protocol: 'TCP' })),
      },
    },
  )
}

/** The public name of the service's first http port, with TLS. Undefined where the environment has no domain. */
export function ingressObject(service: Service, scope: ObjectScope): KubeObject | undefined {
  const domain = scope.model.environment.domain
  const port = service.ports.find((candidate) => candidate.protocol === 'http')
  if (domain === undefined || !port) return undefined
  const host = `${service.name}.${domain}`
  const backend = { service: { name: service.name, port: { number: port.port } } }
  return kubeObject(
    scope,
    { apiVersion: 'networking.k8s.io/v1', kind: 'Ingress', name: service.name, labels: partLabels(service.name, 'server') },
    {
      spec: {
        tls: [{ hosts: [host], secretName: `${service.name}-tls` }],
        rules: [{ host, http: { paths: [{ path: '/', pathType: 'Prefix', backend }] } }],
      },
    },
  )
}

/** The autoscaler; its behaviour is Kubernetes' own, written out so that it can be seen and patched. */
export function autoscalerObject(service: Service, scope: ObjectScope): KubeObject | undefined {
  if (!isAutoscaled(service)) return undefined
  const { minReplicas, maxReplicas, cpuTarget } = service.scaling
  return kubeObject(
    scope,
    {
      apiVersion: 'autoscaling/v2',
      kind: 'HorizontalPodAutoscaler',
      name: service.name,
      labels: partLabels(service.name, 'server'),
    },
    {
      spec: {
        scaleTargetRef: {
          apiVersion: 'apps/v1',
          kind: service.volumes.length > 0 ? 'StatefulSet' : 'Deployment',
          name: workloadName(service),
        },
        minReplicas,
        maxReplicas,
        metrics: [
          { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: cpuTarget } } },
        ],
        behavior: {
          scaleUp: {
            stabilizationWindowSeconds: 0,
            selectPolicy: 'Max',
            policies: [
              { type: 'Percent', value: 100, periodSeconds: 15 },
              { type: 'Pods', value: 4, periodSeconds: 15 },
            ],
          },
          scaleDown: {
            stabilizationWindowSeconds: 300,
            selectPolicy: 'Max',
            policies: [{ type: 'Percent', value: 100, periodSeconds: 15 }],
          },
        },
      },
    },
  )
}

/** One pod at a time leaves for a node's sake; with a single replica it would only stop nodes from being drained. */
export function budgetObject(
  name: string,
  selector: Record<string, string>,
  replicas: number,
  scope: ObjectScope,
): KubeObject | undefined {
  if (!scope.model.platform.disruptionBudget || replicas < 2) return undefined
  return kubeObject(
    scope,
    { apiVersion: 'policy/v1', kind: 'PodDisruptionBudget', name, labels: selector },
    { spec: { maxUnavailable: 1, selector: { matchLabels: selector } } },
  )
}

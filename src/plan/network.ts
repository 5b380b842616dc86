import type { Service } from '../spec/model.ts'
import { partLabels } from './labels.ts'
import { kubeObject } from './object.ts'
import type { ObjectScope } from './object.ts'
import type { KubeObject } from './types.ts'

/** Where ingress controllers live by their own documentation; another one is admitted by a patch. */
const INGRESS_NAMESPACES = [
  'ingress-nginx',
  'nginx-ingress',
  'traefik',
  'istio-ingress',
  'istio-system',
  'projectcontour',
  'haproxy-controller',
]

/** Nothing of the namespace is reached unless a policy says so. */
export function denyPolicy(scope: ObjectScope): KubeObject {
  return kubeObject(
    scope,
    { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', name: 'default-deny-ingress' },
    { spec: { podSelector: {}, policyTypes: ['Ingress'] } },
  )
}

/**
 * Who reaches the service's pods: on its ports the namespace's pods, and ingress controllers where it has a public name; on
 * the metrics port whatever scrapes in the cluster. Undefined when it has neither.
 */
export function servicePolicy(service: Service, scope: ObjectScope): KubeObject | undefined {
  const ingress: object[] = []
  const isPublic = scope.model.environment.domain !== undefined && service.ports.some((port) => port.protocol === 'http')
  if (service.ports.length > 0) {
    ingress.push({
      from: [{ podSelector: {} }, ...(isPublic ? [ingressControllers] : [])],
      ports: service.ports.map((port) => ({ port: port.port, protocol: 'TCP' })),
    })
  }
  const metrics = service.observability.metrics
  if (metrics) ingress.push({ from: [{ namespaceSelector: {} }], ports: [{ port: metrics.port, protocol: 'TCP' }] })
  if (ingress.length === 0) return undefined
  return kubeObject(
    scope,
    { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', name: service.name, labels: partLabels(service.name, 'server') },
    { spec: { podSelector: { matchLabels: partLabels(service.name, 'server') }, policyTypes: ['Ingress'], ingress } },
  )
}

const ingressControllers = {
  namespaceSelector: { matchExpressions: [{ key: 'kubernetes.io/metadata.name', operator: 'In', values: INGRESS_NAMESPACES }] },
}

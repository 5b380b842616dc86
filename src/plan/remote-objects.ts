import { workspaceLabels } from './labels.ts'
import { kubeObject } from './object.ts'
import type { ObjectScope } from './object.ts'
import { DEPENDENCY_PLACEHOLDER } from './remote.ts'
import type { RemotePlan } from './remote.ts'
import type { KubeObject } from './types.ts'

/** Marks what stands for a dependency; its value is the name that services call. */
export const DEPENDENCY_LABEL = 'shiv.dev/dependency'

/** Marks a namespace that is there for dependencies alone and goes with the run. */
export const NAMESPACE_LABEL = 'shiv.dev/dependencies'

/**
 * What makes production's names lead to the daemon in a cluster: a Service without selector for each dependency, an EndpointSlice whose
 * address and port the runtime fills in, and the namespaces that they are in. Nothing here depends on a mode or a rule, so that neither
 * touches the cluster when it changes. Policies of ours restrict who comes in, not who goes out: pods reach the daemon without one.
 */
export function remoteObjects(scope: ObjectScope): KubeObject[] {
  const others = [...new Set(scope.remotes.map(({ inCluster }) => inCluster.namespace))].filter(
    (name) => name !== scope.namespace,
  )
  return [...others.map((name) => namespaceOf(name, scope)), ...scope.remotes.flatMap((remote) => objectsOf(remote, scope))]
}

function namespaceOf(name: string, { model }: ObjectScope): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name, labels: { ...workspaceLabels(model), [NAMESPACE_LABEL]: 'true' } },
  }
}

function objectsOf({ name, protocol, inCluster }: RemotePlan, { model }: ObjectScope): KubeObject[] {
  const ports = [
    { name: protocol, port: inCluster.port },
    ...(inCluster.tlsPort === undefined ? [] : [{ name: 'tls', port: inCluster.tlsPort }]),
  ]
  const scope = { model, namespace: inCluster.namespace, remotes: [] }
  const labels = { [DEPENDENCY_LABEL]: name }
  const service = kubeObject(
    scope,
    { apiVersion: 'v1', kind: 'Service', name: inCluster.service, labels },
    {
      spec: { type: 'ClusterIP', ports: ports.map((each) => ({ ...each, targetPort: each.port, protocol: 'TCP' })) },
    },
  )
  const slice = kubeObject(
    scope,
    {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      name: inCluster.service,
      labels: {
        ...labels,
        'kubernetes.io/service-name': inCluster.service,
        'endpointslice.kubernetes.io/managed-by': 'shiv.dev',
      },
    },
    {
      addressType: 'IPv4',
      endpoints: [{ addresses: [DEPENDENCY_PLACEHOLDER + name], conditions: { ready: true } }],
      // The proxy tells TLS from plain text by itself: all lead to its one port.
      ports: ports.map((each) => ({ name: each.name, port: DEPENDENCY_PLACEHOLDER + name, protocol: 'TCP' })),
    },
  )
  return [service, slice]
}

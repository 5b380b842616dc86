import { stringify } from 'yaml'

/** Kubernetes picks NodePorts from this range where only mapped ports lead into the cluster. */
export const mappedNodePorts = { from: 30000, to: 30063 }

/** Says in the cluster itself that shiv made it. */
export const clusterLabel = 'shiv.dev/cluster'

/** The configuration that kind gets. With `mapped`, each NodePort of the range is bound to a free port of 127.0.0.1. */
export function kindConfig(options: { name: string; image: string | undefined; workers: number; mapped: boolean }): string {
  const image = options.image === undefined ? {} : { image: options.image }
  const labels = { [clusterLabel]: options.name }
  const ports = Array.from({ length: mappedNodePorts.to - mappedNodePorts.from + 1 }, (_, index) => ({
    containerPort: mappedNodePorts.from + index,
    hostPort: 0,
    listenAddress: '127.0.0.1',
  }))
  const range = {
    kind: 'ClusterConfiguration',
    apiServer: { extraArgs: { 'service-node-port-range': `${mappedNodePorts.from}-${mappedNodePorts.to}` } },
  }
  // kube-proxy gathers changes for a second, for the sake of thousands of Services: here a replica that is ready is led to at once.
  const proxy = { kind: 'KubeProxyConfiguration', iptables: { minSyncPeriod: '100ms' } }
  return stringify({
    kind: 'Cluster',
    apiVersion: 'kind.x-k8s.io/v1alpha4',
    name: options.name,
    networking: { apiServerAddress: '127.0.0.1' },
    kubeadmConfigPatches: [proxy, ...(options.mapped ? [range] : [])].map((patch) => stringify(patch)),
    nodes: [
      { role: 'control-plane', ...image, labels, ...(options.mapped && { extraPortMappings: ports }) },
      ...Array.from({ length: options.workers }, () => ({ role: 'worker', ...image, labels })),
    ],
  })
}

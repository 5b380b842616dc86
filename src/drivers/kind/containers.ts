import type { Engine } from '../docker/engine.ts'

/** A node of a kind cluster, as Docker knows it. */
export interface NodeContainer {
  id: string
  name: string
  role: 'control-plane' | 'worker'
  running: boolean
  image: string
  /** In the cluster's network; undefined while it does not run. */
  address: string | undefined
  /** Host port by container port, those bound to loopback. */
  ports: Map<number, number>
}

interface Listed {
  Id: string
  Names: string[]
  Image: string
  State: string
  Labels: Record<string, string>
  Ports: { PrivatePort: number; PublicPort?: number; IP?: string }[]
  NetworkSettings?: { Networks?: Record<string, { IPAddress?: string }> }
}

/** The nodes of a kind cluster, control plane first; empty when there is no such cluster. */
export async function listNodes(engine: Engine, cluster: string): Promise<NodeContainer[]> {
  const filters = encodeURIComponent(JSON.stringify({ label: [`io.x-k8s.kind.cluster=${cluster}`] }))
  const listed = await engine.json<Listed[]>('GET', `/containers/json?all=true&filters=${filters}`)
  return listed
    .filter((container) => container.Labels['io.x-k8s.kind.role'] !== 'external-load-balancer')
    .map((container): NodeContainer => {
      const networks = Object.values(container.NetworkSettings?.Networks ?? {})
      const ports = container.Ports.flatMap((port) => (port.PublicPort ? [[port.PrivatePort, port.PublicPort] as const] : []))
      return {
        id: container.Id,
        name: (container.Names[0] ?? '').replace(/^\//, ''),
        role: container.Labels['io.x-k8s.kind.role'] === 'worker' ? 'worker' : 'control-plane',
        running: container.State === 'running',
        image: container.Image,
        address: networks.map((network) => network.IPAddress).find(Boolean),
        ports: new Map(ports),
      }
    })
    .sort((a, b) => (a.role === b.role ? a.name.localeCompare(b.name) : a.role === 'control-plane' ? -1 : 1))
}

/** Starts the nodes that do not run, the control plane first. */
export async function startNodes(engine: Engine, nodes: NodeContainer[]): Promise<void> {
  for (const node of nodes) if (!node.running) await engine.json('POST', `/containers/${node.id}/start`)
}

import { isIPv4 } from 'node:net'
import type { Cluster } from '../../engine/ports.ts'
import { orMissing, type Engine } from '../docker/engine.ts'
import { contextName } from './api-server.ts'
import { mappedNodePorts } from './config.ts'
import type { NodeContainer } from './containers.ts'
import { isOwnAddress } from './pod-place.ts'

/** How the host gets to a NodePort: at the node's own address, or through ports mapped to loopback at creation. */
export type Reach = 'nodes' | 'mapped'

/** Asks the machine, not the platform's name: containers are within reach where the gateway of their network is an address of this host. */
export async function probeReach(engine: Engine): Promise<Reach> {
  const network = await orMissing(
    engine.json<{ IPAM?: { Config?: { Subnet?: string; Gateway?: string }[] | null } }>('GET', '/networks/bridge'),
  )
  for (const { Subnet, Gateway } of network?.IPAM?.Config ?? []) {
    const gateway = Gateway ?? Subnet?.replace(/\d+\/\d+$/, '1')
    if (gateway !== undefined && isIPv4(gateway) && (await isOwnAddress(gateway))) return 'nodes'
  }
  return 'mapped'
}

/** The way into a cluster whose nodes run. How it was created decides: mapped ports are there or not. */
export function describeCluster(name: string, nodes: NodeContainer[], kubeconfig: string): Cluster {
  const control = nodes[0]
  const mapped = control?.ports.has(mappedNodePorts.from) ?? false
  return {
    kubeconfig,
    context: contextName(name),
    nodes: nodes.map((node) => ({ name: node.name, address: mapped ? undefined : node.address })),
    nodePorts: mapped ? { ...mappedNodePorts } : undefined,
    reach(nodePort) {
      if (!mapped) return { host: control?.address ?? '127.0.0.1', port: nodePort }
      const port = control?.ports.get(nodePort)
      if (port === undefined) {
        throw new Error(
          `NodePort ${nodePort} is not mapped to this host; mapped are ${mappedNodePorts.from} to ${mappedNodePorts.to}`,
        )
      }
      return { host: '127.0.0.1', port }
    },
  }
}

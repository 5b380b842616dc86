import { createServer, isIPv4 } from 'node:net'
import { ShivError } from '../../core/errors.ts'
import type { PodPlace } from '../../engine/dependency-ports.ts'
import { runInContainer } from '../docker/exec.ts'
import { orMissing, type Engine } from '../docker/engine.ts'
import type { NodeContainer } from './containers.ts'

interface Inspected {
  NetworkSettings: { Networks: Record<string, unknown> }
}

interface Network {
  IPAM?: { Config?: { Subnet?: string; Gateway?: string }[] | null }
}

/** The name by which a Docker that runs in a virtual machine knows this machine. */
const MACHINE = 'host.docker.internal'

/**
 * Where pods of a kind cluster reach this machine. On Linux the gateway of the cluster's network is an address of this machine, and whoever
 * comes from that network is known by its subnet. Where Docker runs in a virtual machine, its name for this machine leads to loopback.
 * Throws DEPENDENCY_POD_ADDRESS where neither is there.
 */
export async function findPodPlace(engine: Engine, nodes: NodeContainer[]): Promise<PodPlace> {
  const [node] = nodes
  if (node === undefined) throw noPlace('the cluster has no nodes')
  const { NetworkSettings } = await engine.json<Inspected>('GET', `/containers/${node.id}/json`)
  for (const name of Object.keys(NetworkSettings.Networks)) {
    const network = await orMissing(engine.json<Network>('GET', `/networks/${encodeURIComponent(name)}`))
    const configs = network?.IPAM?.Config ?? []
    for (const { Gateway, Subnet } of configs) {
      const gateway = Gateway ?? Subnet?.replace(/\d+\/\d+$/, '1')
      if (gateway === undefined || !isIPv4(gateway) || !(await isOwnAddress(gateway))) continue
      return { address: gateway, subnets: configs.flatMap((config) => config.Subnet ?? []) }
    }
  }
  const { stdout } = await runInContainer(engine, node.id, ['getent', 'ahostsv4', MACHINE])
  const address = /^(\S+)/.exec(stdout)?.[1]
  if (address !== undefined && isIPv4(address)) return { address }
  throw noPlace(`the gateway of its network is no address of this machine, and its nodes do not know ${MACHINE}`)
}

/** Only a host that has the address can listen on it. */
export function isOwnAddress(address: string): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false)) // not an address of ours
    server.listen(0, address, () => server.close(() => resolve(true)))
  })
}

function noPlace(reason: string): ShivError {
  return new ShivError(`Pods of the cluster cannot reach this machine: ${reason}.`, {
    code: 'DEPENDENCY_POD_ADDRESS',
    exit: 3,
    hint: 'shiv start --runtime process goes without a cluster; docker network inspect kind shows its network',
  })
}

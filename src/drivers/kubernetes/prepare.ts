import type { Cluster } from '../../engine/ports.ts'
import type { KubeObject } from '../../plan/types.ts'
import { type KubeClient } from './client.ts'
import { knownPath } from './mapping.ts'
import type { ServiceObject } from './objects.ts'
import { assignNodePorts } from './node-ports.ts'

/** Gives NodePort Services ports that lead in, where the cluster maps only some to the host. */
export async function withNodePorts(client: KubeClient, objects: KubeObject[], cluster: Cluster): Promise<KubeObject[]> {
  if (cluster.nodePorts === undefined) return objects
  const list = await client.call<{ items: ServiceObject[] | null }>('GET', knownPath('Service'))
  return assignNodePorts(objects, list.items ?? [], cluster.nodePorts)
}

import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { Cluster } from '../../engine/ports.ts'
import { type KubeClient, createClient } from './client.ts'
import { readAccess } from './kubeconfig.ts'

/** A plugin's credential is renewed so long before its end. */
const MARGIN_MS = 60_000

/** Keeps one client a cluster, and makes a new one when the cluster was made anew, or the credential of a plugin is about to end. */
export interface Connections {
  to(cluster: Pick<Cluster, 'kubeconfig' | 'context'>): Promise<KubeClient>
  close(): void
}

export function createConnections(): Connections {
  const clients = new Map<string, { stamp: string; client: KubeClient }>()
  const isFresh = ({ access: { expires } }: KubeClient): boolean => expires === undefined || expires - MARGIN_MS > Date.now()
  return {
    async to(cluster) {
      const key = `${cluster.kubeconfig} ${cluster.context}`
      const stamp = await stampOf(cluster.kubeconfig)
      const known = clients.get(key)
      if (known !== undefined && known.stamp === stamp && isFresh(known.client)) return known.client
      const client = createClient(await readAccess(cluster.kubeconfig, cluster.context))
      // One whose credential ends may have calls under way.
      if (known?.stamp !== stamp) known?.client.close()
      clients.set(key, { stamp, client })
      return client
    },
    close() {
      for (const { client } of clients.values()) client.close()
      clients.clear()
    },
  }
}

/** A kubeconfig that cannot be read gets its error from the one who parses it. */
async function stampOf(file: string): Promise<string> {
  const text = await readFile(file).catch(() => Buffer.alloc(0))
  return createHash('sha256').update(text).digest('hex')
}

import type { KubeObject } from '../../plan/types.ts'
import { type KubeClient, orMissing } from './client.ts'
import { knownPath } from './mapping.ts'
import { FIELD_MANAGER, LABEL, type Live } from './objects.ts'

export const INVENTORY_NAME = 'shiv-inventory'

/** What we applied, kept in the namespace itself: what may be skipped, and what is pruned when it leaves the Plan. Holds hashes, no values. */
export interface Inventory {
  version: 1
  objects: Record<string, InventoryEntry>
  /** Images that were brought to these very nodes. */
  delivered: { nodes: string; references: string[] }
}

export interface InventoryEntry {
  apiVersion: string
  kind: string
  name: string
  namespace?: string
  desired: string
  live: string
}

/** `group/Kind/namespace/name`: the identity of an object whatever the version it is spoken of in. */
export function keyOf(object: { apiVersion: string; kind: string; metadata: { name: string; namespace?: string } }): string {
  const group = object.apiVersion.includes('/') ? object.apiVersion.split('/')[0] : ''
  return `${group}/${object.kind}/${object.metadata.namespace ?? ''}/${object.metadata.name}`
}

/** Undefined when there is none, or one that another version wrote. */
export async function readInventory(client: KubeClient, namespace: string): Promise<Inventory | undefined> {
  const map = await orMissing(
    client.call<Live & { data?: Record<string, string> }>('GET', knownPath('ConfigMap', namespace, INVENTORY_NAME)),
  )
  const text = map?.data?.['inventory']
  if (text === undefined) return undefined
  try {
    const inventory = JSON.parse(text) as Inventory
    return inventory.version === 1 ? inventory : undefined
  } catch {
    // Somebody edited it: without an inventory everything is applied again, which is safe.
    return undefined
  }
}

export async function writeInventory(client: KubeClient, namespace: string, run: string, inventory: Inventory): Promise<void> {
  const body: KubeObject = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: INVENTORY_NAME, namespace, labels: { [LABEL.managedBy]: 'shiv', [LABEL.run]: run } },
    data: { inventory: JSON.stringify(inventory) },
  }
  await client.call('PATCH', `${knownPath('ConfigMap', namespace, INVENTORY_NAME)}?fieldManager=${FIELD_MANAGER}&force=true`, {
    body,
    contentType: 'application/apply-patch+yaml',
  })
}

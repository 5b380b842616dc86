import { NAMESPACE_LABEL } from '../../plan/remote-objects.ts'
import type { KubeObject } from '../../plan/types.ts'
import { applyObject, deleteObject } from './apply.ts'
import type { KubeClient } from './client.ts'
import { desiredHash, liveFingerprint, stableText } from './fingerprint.ts'
import { INVENTORY_NAME, type Inventory, keyOf, readInventory, writeInventory } from './inventory.ts'
import { OWNABLE, type Resource, pathOf, resourceOf } from './mapping.ts'
import { LABEL, type Live, controllerOf } from './objects.ts'

/** Makes the objects of one run real, skipping those that already are. */
export interface Applier {
  readonly inventory: Inventory
  /** The live object of a desired one, when it is ours and there. */
  liveOf(object: KubeObject): Live | undefined
  /** Applies those that differ from what is live, several at once. Returns the names of those that were sent. */
  apply(objects: KubeObject[]): Promise<string[]>
  /** Deletes what is ours and not among `wanted`; data (volume claims, database credentials) stays. Returns what went. */
  prune(wanted: KubeObject[]): Promise<string[]>
  /** Writes the inventory if it changed. */
  save(): Promise<void>
}

export interface ApplierOptions {
  namespace: string
  run: string
  signal: AbortSignal
}

/** Reads the inventory and the live objects of the run: one list a kind, all at once. */
export async function createApplier(client: KubeClient, plan: KubeObject[], options: ApplierOptions): Promise<Applier> {
  const { namespace, run, signal } = options
  const planned = await placesOf(client, plan, namespace)
  const live = new Map<string, Live>()
  const listInto = (places: Place[]) =>
    Promise.all(places.map((place) => listOwned(client, place.resource, { ...options, namespace: place.namespace }, live)))
  const [stored] = await Promise.all([readInventory(client, namespace), listInto(planned)])
  const recorded =
    stored === undefined
      ? OWNABLE.map((resource) => ({ resource, namespace }))
      : await placesOf(client, Object.values(stored.objects), namespace)
  const isListed = (place: Place) => planned.some((one) => one.resource === place.resource && one.namespace === place.namespace)
  await listInto(recorded.filter((place) => !isListed(place)))

  const inventory: Inventory = stored ?? { version: 1, objects: {}, delivered: { nodes: '', references: [] } }
  const savedText = stored === undefined ? '' : JSON.stringify(stored)
  const owner = { label: LABEL.run, value: run }

  const isCurrent = (object: KubeObject) => {
    const entry = inventory.objects[keyOf(object)]
    const found = live.get(keyOf(object))
    if (object.kind === 'Secret' && stableText(found?.['data']) !== stableText(object['data'])) return false
    return (
      entry !== undefined &&
      found !== undefined &&
      found.metadata.deletionTimestamp === undefined &&
      entry.desired === desiredHash(object) &&
      entry.live === liveFingerprint(found, object)
    )
  }

  const applyOne = async (object: KubeObject) => {
    const key = keyOf(object)
    const known = live.get(key)
    if (object.kind === 'Job' && known !== undefined && hasFailed(known)) {
      await deleteObject(client, object, { signal, wait: true })
      live.delete(key)
    }
    const applied = await applyObject(client, object, { owner, known: live.get(key), signal })
    live.set(key, applied)
    const { name, namespace: place } = object.metadata
    // A Secret's values are compared as they are: the inventory holds no hash that could be tried against guesses.
    inventory.objects[key] = {
      apiVersion: object.apiVersion,
      kind: object.kind,
      name,
      ...(place !== undefined && { namespace: place }),
      desired: desiredHash(object),
      live: liveFingerprint(applied, object),
    }
  }

  return {
    inventory,
    liveOf: (object) => live.get(keyOf(object)),
    async apply(objects) {
      const changed = objects.filter(
        (object) => !isCurrent(object) || (object.kind === 'Job' && hasFailed(live.get(keyOf(object)))),
      )
      await Promise.all(changed.map(applyOne))
      return changed.map((object) => `${object.kind}/${object.metadata.name}`)
    },
    async prune(wanted) {
      const keep = new Set(wanted.map(keyOf))
      const services = new Set(wanted.map(({ metadata }) => metadata.labels?.[LABEL.service]))
      const isOverlay = ({ metadata }: Live) => services.has(metadata.labels?.[LABEL.overlay] ?? '')
      const leaving = [...live].filter(([key, object]) => !keep.has(key) && isPrunable(object) && !isOverlay(object))
      await Promise.all(leaving.map(([, object]) => deleteObject(client, object, { signal })))
      for (const key of Object.keys(inventory.objects)) if (!keep.has(key)) delete inventory.objects[key]
      return leaving.map(([, object]) => `${object.kind}/${object.metadata.name}`)
    },
    async save() {
      if (JSON.stringify(inventory) !== savedText) await writeInventory(client, namespace, run, inventory)
    },
  }
}

/** Every live object of ours that goes when it is in no Plan: made by us, not by a controller, and without data in it. */
export function isPrunable(object: Live): boolean {
  if (object.metadata.deletionTimestamp !== undefined || controllerOf(object) !== undefined) return false
  if (object.kind === 'PersistentVolumeClaim') return false
  if (object.kind === 'Namespace' && object.metadata.labels?.[NAMESPACE_LABEL] === undefined) return false
  if (object.kind === 'Secret' && object.metadata.labels?.[LABEL.database] !== undefined) return false
  if (object.kind === 'ConfigMap' && object.metadata.name === INVENTORY_NAME) return false
  return object.metadata.labels?.[LABEL.managedBy] === 'shiv'
}

/** Lists the objects of a run of one kind into `into`, by key. */
export async function listOwned(
  client: KubeClient,
  resource: Resource,
  options: ApplierOptions,
  into: Map<string, Live>,
): Promise<void> {
  const selector = encodeURIComponent(`${LABEL.run}=${options.run}`)
  const path = `${pathOf(resource, options.namespace)}?labelSelector=${selector}`
  const list = await client.call<{ items: Live[] | null }>('GET', path, { signal: options.signal })
  for (const item of list.items ?? []) {
    const object = { ...item, apiVersion: resource.apiVersion, kind: resource.kind }
    into.set(keyOf(object), object)
  }
}

/** One list of the API. */
interface Place {
  resource: Resource
  namespace: string
}

/** Where objects are, each place once: those of a Plan (which know their metadata), or of an inventory. */
async function placesOf(
  client: KubeClient,
  objects: { apiVersion: string; kind: string; namespace?: unknown; metadata?: { namespace?: string } }[],
  home: string,
): Promise<Place[]> {
  const places = new Map<string, Place>()
  for (const { apiVersion, kind, metadata, namespace: recorded } of objects) {
    const resource = await resourceOf(client, apiVersion, kind)
    if (resource === undefined) continue
    const written = metadata?.namespace ?? (typeof recorded === 'string' ? recorded : undefined)
    const namespace = resource.namespaced ? (written ?? home) : home
    places.set(`${resource.apiVersion}/${resource.kind}/${namespace}`, { resource, namespace })
  }
  return [...places.values()]
}

function hasFailed(job: Live | undefined): boolean {
  const status = (job as { status?: { conditions?: { type: string; status: string }[] } } | undefined)?.status
  return status?.conditions?.some(({ type, status }) => type === 'Failed' && status === 'True') ?? false
}

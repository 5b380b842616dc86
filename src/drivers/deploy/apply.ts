import type { KubeObject } from '../../plan/types.ts'
import { deleteObject } from '../kubernetes/apply.ts'
import { isPrunable } from '../kubernetes/applier.ts'
import { KubeApiError, type KubeClient, orMissing } from '../kubernetes/client.ts'
import { keyOf } from '../kubernetes/inventory.ts'
import { OWNABLE, nameOf, pathOf } from '../kubernetes/mapping.ts'
import { LABEL, type Live } from '../kubernetes/objects.ts'
import { refused } from './compare.ts'
import { hasFailed, isImmutable, patchPath, requireKind } from './objects.ts'

/** Kinds that hold no object of a service's release. */
const NEVER_PRUNED = new Set(['Secret', 'PersistentVolumeClaim', 'ResourceQuota', 'LimitRange'])

/** Applies objects by server-side apply, all at once; a Job that is another or that failed is made anew. Throws KUBE_APPLY_REFUSED, KUBE_FORBIDDEN. */
export async function applyRelease(
  client: KubeClient,
  objects: KubeObject[],
  { takesOver, signal }: { takesOver: boolean; signal: AbortSignal },
  applied: (object: KubeObject, live: Live) => void,
): Promise<void> {
  const one = async (object: KubeObject): Promise<void> => {
    const path = await patchPath(client, object, takesOver)
    const send = (): Promise<Live> =>
      client.call<Live>('PATCH', path, { body: object, contentType: 'application/apply-patch+yaml', signal })
    if (object.kind === 'Job' && (await hasFailedBefore(client, object)))
      await deleteObject(client, object, { signal, wait: true })
    try {
      applied(object, await send())
    } catch (error) {
      if (object.kind !== 'Job' || !isImmutable(error)) throw refused(object, error)
      await deleteObject(client, object, { signal, wait: true })
      applied(object, await send())
    }
  }
  const results = await Promise.allSettled(objects.map(one))
  const failed = results.find((result) => result.status === 'rejected')
  if (failed !== undefined) throw failed.reason
}

/** Removes what an earlier release of the service applied and this one does not; returns names. Data stays. */
export async function pruneService(
  client: KubeClient,
  place: { namespace: string; service: string; workspace: string },
  objects: KubeObject[],
  signal: AbortSignal,
): Promise<string[]> {
  const keep = new Set(objects.map(keyOf))
  const selector = encodeURIComponent(`${LABEL.run}=${place.workspace},${LABEL.service}=${place.service}`)
  const lists = await Promise.all(
    OWNABLE.filter(({ kind }) => !NEVER_PRUNED.has(kind)).map(async (resource) => {
      try {
        const path = `${pathOf(resource, place.namespace)}?labelSelector=${selector}`
        const { items } = await client.call<{ items: Live[] | null }>('GET', path, { signal })
        return (items ?? []).map((item) => ({ ...item, apiVersion: resource.apiVersion, kind: resource.kind }))
      } catch (error) {
        // What may not be listed was not applied either.
        if (error instanceof KubeApiError && (error.status === 403 || error.status === 404)) return []
        throw error
      }
    }),
  )
  const leaving = lists.flat().filter((object) => !keep.has(keyOf(object)) && isPrunable(object) && isDeployed(object))
  await Promise.all(leaving.map((object) => deleteObject(client, object, { signal })))
  return leaving.map(nameOf)
}

/** A local run into the same namespace has objects of its own. */
function isDeployed({ metadata }: Live): boolean {
  return (metadata.managedFields ?? []).some(({ manager }) => manager === 'shiv-deploy')
}

async function hasFailedBefore(client: KubeClient, object: KubeObject): Promise<boolean> {
  const resource = await requireKind(client, object)
  const found = await orMissing(client.call<Live>('GET', pathOf(resource, object.metadata.namespace, object.metadata.name)))
  return found !== undefined && hasFailed(found)
}

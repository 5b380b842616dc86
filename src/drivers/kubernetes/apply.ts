import { ShivError } from '../../core/errors.ts'
import type { KubeObject } from '../../plan/types.ts'
import { KubeApiError, type KubeClient, orMissing } from './client.ts'
import { type Resource, nameOf, pathOf, resourceOf } from './mapping.ts'
import { FIELD_MANAGER, LABEL, type Live } from './objects.ts'
import { untilGone } from './until.ts'

/** Kinds that hold no data and are made again when a field that cannot change has to. */
const REPLACEABLE = new Set([
  'CronJob',
  'Deployment',
  'Job',
  'PodDisruptionBudget',
  'RoleBinding',
  'ClusterRoleBinding',
  'Service',
  'StatefulSet',
])

/**
 * Applies one object by server-side apply as field manager `shiv`; a field of ours that somebody else took is taken back.
 * `known` is the live object when the caller has it and it is ours. Throws KUBE_OBJECT_FOREIGN when an object of that name
 * belongs to somebody else, KUBE_KIND_UNKNOWN and KUBE_APPLY_REFUSED when the server does not take it.
 */
export async function applyObject(
  client: KubeClient,
  object: KubeObject,
  options: { owner: { label: string; value: string }; known: Live | undefined; signal: AbortSignal },
): Promise<Live> {
  const resource = await requireResource(client, object)
  const path = pathOf(resource, object.metadata.namespace, object.metadata.name)
  if (options.known === undefined) {
    const found = await orMissing(client.call<Live>('GET', path, { signal: options.signal }))
    if (found !== undefined && found.metadata.labels?.[options.owner.label] !== options.owner.value) throw foreign(object, found)
  }
  const send = () =>
    client.call<Live>('PATCH', `${path}?fieldManager=${FIELD_MANAGER}&force=true`, {
      body: object,
      contentType: 'application/apply-patch+yaml',
      signal: options.signal,
    })
  try {
    return await send()
  } catch (error) {
    if (!isImmutable(error) || !REPLACEABLE.has(object.kind)) throw refused(object, error)
    await deleteObject(client, object, { signal: options.signal, wait: true, orphan: object.kind === 'StatefulSet' })
    return await send().catch((again: unknown) => {
      throw refused(object, again)
    })
  }
}

/** Deletes an object; one that is not there is fine. With `wait`, resolves when it is gone. */
export async function deleteObject(
  client: KubeClient,
  object: Pick<KubeObject, 'apiVersion' | 'kind' | 'metadata'>,
  options: { signal: AbortSignal; wait?: boolean; orphan?: boolean },
): Promise<void> {
  const resource = await resourceOf(client, object.apiVersion, object.kind)
  if (resource === undefined) return
  const { namespace, name } = object.metadata
  const propagationPolicy = options.orphan ? 'Orphan' : 'Background'
  const gone = await orMissing(
    client.call('DELETE', pathOf(resource, namespace, name), { body: { propagationPolicy }, signal: options.signal }),
  )
  if (gone !== undefined && options.wait) await untilGone(client, pathOf(resource, namespace), name, options.signal)
}

async function requireResource(client: KubeClient, object: KubeObject): Promise<Resource> {
  const resource = await resourceOf(client, object.apiVersion, object.kind)
  if (resource !== undefined) return resource
  throw new ShivError(`The cluster knows no kind ${object.kind} of ${object.apiVersion}, which ${nameOf(object)} is.`, {
    code: 'KUBE_KIND_UNKNOWN',
    hint: 'Install its CustomResourceDefinition in the cluster first, or take the object out of the patches and presets.',
  })
}

function foreign(object: KubeObject, found: Live): ShivError {
  const managers = [...new Set((found.metadata.managedFields ?? []).map(({ manager }) => manager))]
  const run = found.metadata.labels?.[LABEL.run]
  const owner =
    run === undefined ? `is managed by ${managers.join(', ') || 'somebody else'}` : `belongs to the shiv workspace "${run}"`
  const namespace = object.metadata.namespace
  const inNamespace = namespace === undefined ? '' : ` -n ${namespace}`
  return new ShivError(`${nameOf(object)} is already in the cluster and ${owner}; it is not touched.`, {
    code: 'KUBE_OBJECT_FOREIGN',
    hint: `Rename yours, or delete the other one: kubectl delete ${object.kind.toLowerCase()} ${object.metadata.name}${inNamespace}`,
  })
}

function isImmutable(error: unknown): boolean {
  if (!(error instanceof KubeApiError) || error.status !== 422) return false
  return /immutable|updates to statefulset spec for fields other than|may not change once set/i.test(error.message)
}

function refused(object: KubeObject, error: unknown): unknown {
  if (!(error instanceof KubeApiError)) return error
  return new ShivError(`The cluster refuses ${nameOf(object)}: ${error.message}`, {
    code: 'KUBE_APPLY_REFUSED',
    hint: 'shiv plan -o yaml shows the object; a patch in service.yaml is the usual cause.',
    evidence: error.causes.map((cause) => [cause.field, cause.message].filter(Boolean).join(': ')),
    cause: error,
  })
}

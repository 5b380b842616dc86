import { ShivError } from '../../core/errors.ts'
import type { KubeObject } from '../../plan/types.ts'
import { KubeApiError, type KubeClient } from '../kubernetes/client.ts'
import { type Resource, nameOf, pathOf, resourceOf } from '../kubernetes/mapping.ts'
import type { Live } from '../kubernetes/objects.ts'

/** The name in `metadata.managedFields` of what deploy applies; local runs have another. */
export const DEPLOYER = 'shiv-deploy'

/** Throws KUBE_KIND_UNKNOWN. */
export async function requireKind(client: KubeClient, object: KubeObject): Promise<Resource> {
  const resource = await resourceOf(client, object.apiVersion, object.kind)
  if (resource !== undefined) return resource
  throw new ShivError(`The cluster knows no kind ${object.kind} of ${object.apiVersion}, which ${nameOf(object)} is.`, {
    code: 'KUBE_KIND_UNKNOWN',
    hint: 'Install its CustomResourceDefinition in the cluster first, or take the object out of the patches and presets.',
  })
}

/** Where an object is applied to. */
export async function patchPath(client: KubeClient, object: KubeObject, takesOver: boolean): Promise<string> {
  const path = pathOf(await requireKind(client, object), object.metadata.namespace, object.metadata.name)
  return `${path}?fieldManager=${DEPLOYER}&force=${takesOver}`
}

export function isImmutable(error: unknown): boolean {
  if (!(error instanceof KubeApiError) || error.status !== 422) return false
  return /immutable|updates to statefulset spec for fields other than|may not change once set/i.test(error.message)
}

/** Whether a Job has given up. */
export function hasFailed(job: Live): boolean {
  const status = job['status'] as { conditions?: { type: string; status: string }[] } | undefined
  return status?.conditions?.some(({ type, status }) => type === 'Failed' && status === 'True') ?? false
}

import type { KubeObject } from '../../plan/types.ts'
import { type KubeClient, isMissing } from './client.ts'

/** Where objects of a kind live in the API. */
export interface Resource {
  apiVersion: string
  kind: string
  plural: string
  namespaced: boolean
}

/** Kinds that Plans are made of; anything else is asked of the server once. */
const KNOWN: Resource[] = [
  ...known('v1', true, {
    ConfigMap: 'configmaps',
    Endpoints: 'endpoints',
    Event: 'events',
    LimitRange: 'limitranges',
    PersistentVolumeClaim: 'persistentvolumeclaims',
    Pod: 'pods',
    ResourceQuota: 'resourcequotas',
    Secret: 'secrets',
    Service: 'services',
    ServiceAccount: 'serviceaccounts',
  }),
  ...known('v1', false, { Namespace: 'namespaces', Node: 'nodes', PersistentVolume: 'persistentvolumes' }),
  ...known('apps/v1', true, {
    DaemonSet: 'daemonsets',
    Deployment: 'deployments',
    ReplicaSet: 'replicasets',
    StatefulSet: 'statefulsets',
  }),
  ...known('batch/v1', true, { CronJob: 'cronjobs', Job: 'jobs' }),
  ...known('autoscaling/v2', true, { HorizontalPodAutoscaler: 'horizontalpodautoscalers' }),
  ...known('policy/v1', true, { PodDisruptionBudget: 'poddisruptionbudgets' }),
  ...known('networking.k8s.io/v1', true, { Ingress: 'ingresses', NetworkPolicy: 'networkpolicies' }),
  ...known('discovery.k8s.io/v1', true, { EndpointSlice: 'endpointslices' }),
  ...known('rbac.authorization.k8s.io/v1', true, { Role: 'roles', RoleBinding: 'rolebindings' }),
  ...known('rbac.authorization.k8s.io/v1', false, { ClusterRole: 'clusterroles', ClusterRoleBinding: 'clusterrolebindings' }),
  ...known('storage.k8s.io/v1', false, { StorageClass: 'storageclasses' }),
  ...known('apiregistration.k8s.io/v1', false, { APIService: 'apiservices' }),
]

const BY_KIND = new Map(KNOWN.map((resource) => [`${resource.apiVersion}/${resource.kind}`, resource]))

/** The kinds that a run may own, for a prune that has no inventory to go by. */
export const OWNABLE: Resource[] = KNOWN.filter(
  ({ kind, namespaced }) => namespaced && !['Endpoints', 'Event', 'Pod', 'ReplicaSet', 'EndpointSlice'].includes(kind),
)

/** Finds where a kind lives; kinds outside the table are discovered. Undefined when the server does not know it. */
export async function resourceOf(client: KubeClient, apiVersion: string, kind: string): Promise<Resource | undefined> {
  const key = `${apiVersion}/${kind}`
  const hit = BY_KIND.get(key)
  if (hit !== undefined) return hit
  for (const resource of await discover(client, apiVersion)) BY_KIND.set(`${apiVersion}/${resource.kind}`, resource)
  return BY_KIND.get(key)
}

/** The path of a collection, or of one object when `name` is given. */
export function pathOf(resource: Resource, namespace?: string, name?: string): string {
  const root = resource.apiVersion.includes('/') ? `/apis/${resource.apiVersion}` : `/api/${resource.apiVersion}`
  const scope = resource.namespaced && namespace !== undefined ? `/namespaces/${namespace}` : ''
  return `${root}${scope}/${resource.plural}${name === undefined ? '' : `/${name}`}`
}

/** The path of a known kind; for the driver's own use, where the kind is in the table. */
export function knownPath(kind: string, namespace?: string, name?: string): string {
  const resource = KNOWN.find((entry) => entry.kind === kind)
  if (resource === undefined) throw new Error(`no known kind ${kind}`)
  return pathOf(resource, namespace, name)
}

/** `Kind/name`, as people and the inventory write it. */
export function nameOf(object: Pick<KubeObject, 'kind' | 'metadata'>): string {
  return `${object.kind}/${object.metadata.name}`
}

async function discover(client: KubeClient, apiVersion: string): Promise<Resource[]> {
  const path = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`
  try {
    const list = await client.call<{ resources: { name: string; kind: string; namespaced: boolean }[] }>('GET', path)
    return list.resources
      .filter(({ name }) => !name.includes('/'))
      .map(({ name, kind, namespaced }) => ({ apiVersion, kind, plural: name, namespaced }))
  } catch (error) {
    if (isMissing(error)) return []
    throw error
  }
}

function known(apiVersion: string, namespaced: boolean, plurals: Record<string, string>): Resource[] {
  return Object.entries(plurals).map(([kind, plural]) => ({ apiVersion, kind, plural, namespaced }))
}

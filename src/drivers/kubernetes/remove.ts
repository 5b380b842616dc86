import { setTimeout as delay } from 'node:timers/promises'
import type { KubeObject, Plan } from '../../plan/types.ts'
import { isPrunable, listOwned } from './applier.ts'
import { deleteObject } from './apply.ts'
import { type KubeClient, orMissing } from './client.ts'
import { removeDependencyNamespaces } from './dependencies.ts'
import { INVENTORY_NAME, readInventory } from './inventory.ts'
import { OWNABLE, type Resource, knownPath, pathOf, resourceOf } from './mapping.ts'
import { ownNamespace, runLabel } from './namespace.ts'
import { dropUnavailableMetricsApi } from './metrics-server.ts'
import { LABEL, type Live } from './objects.ts'
import { untilEmpty, untilGone } from './until.ts'

/** After this long, what keeps a namespace from ending is looked for. */
const LATE_MS = 5_000

/** How long a namespace that is deleted may take to be empty before that. */
const ORDERLY_MS = 45_000
const WORKLOADS = new Set(['Deployment', 'CronJob', 'Job', 'StatefulSet'])
/** Selects the pods of services and databases. */
const RUN_PODS = `${LABEL.service},app.kubernetes.io/component`

/**
 * Takes away what a run made and waits until it is gone. Volume claims and the databases' credentials stay, and their namespace with
 * them, unless `purge`; a namespace that is not ours is never touched.
 */
export async function removeRun(client: KubeClient, plan: Plan, purge: boolean, signal: AbortSignal): Promise<void> {
  await removeDependencyNamespaces(client, plan, signal)
  const namespace = await ownNamespace(client, plan)
  if (namespace === undefined) return
  await Promise.all(clusterScoped(plan).map((object) => removeOwn(client, object, plan, signal)))
  if (namespace.metadata.deletionTimestamp !== undefined) return removeNamespace(client, plan, signal)
  if (purge) {
    await emptyNamespace(client, plan, signal)
    return removeNamespace(client, plan, signal)
  }
  await endServices(client, plan, signal)
  await removeObjects(client, plan, signal)
  if (!(await holdsData(client, plan))) await removeNamespace(client, plan, signal)
}

/** Services end before the databases that they use: one whose database is gone may not be able to end in order, and is killed after its grace period. */
async function endServices(client: KubeClient, plan: Plan, signal: AbortSignal): Promise<void> {
  const live = new Map<string, Live>()
  const workloads = OWNABLE.filter(({ kind }) => WORKLOADS.has(kind))
  const options = { namespace: plan.namespace, run: runLabel(plan), signal }
  await Promise.all(workloads.map((resource) => listOwned(client, resource, options, live)))
  const ofServices = [...live.values()].filter(
    (object) => object.metadata.labels?.[LABEL.database] === undefined && isPrunable(object),
  )
  await Promise.all(ofServices.map((object) => deleteObject(client, object, { signal })))
  await untilEmpty(client, podsOf(plan, `${RUN_PODS},!${LABEL.database}`), signal)
}

async function removeObjects(client: KubeClient, plan: Plan, signal: AbortSignal): Promise<void> {
  const options = { namespace: plan.namespace, run: runLabel(plan), signal }
  const inventory = await readInventory(client, plan.namespace)
  const named = [...Object.values(inventory?.objects ?? {}), ...plan.objects]
  const found = await Promise.all(named.map(({ apiVersion, kind }) => resourceOf(client, apiVersion, kind)))
  const namespaced = found.filter((resource): resource is Resource => resource?.namespaced === true)
  const live = new Map<string, Live>()
  await Promise.all([...new Set([...OWNABLE, ...namespaced])].map((resource) => listOwned(client, resource, options, live)))
  const leaving = [...live.values()].filter(isPrunable)
  await Promise.all(leaving.map((object) => deleteObject(client, object, { signal })))
  await untilEmpty(client, podsOf(plan, RUN_PODS), signal)
  const rest = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: INVENTORY_NAME, namespace: plan.namespace } }
  await deleteObject(client, rest, { signal })
}

/**
 * A namespace with nothing in it ends at once; one whose pods still end is looked at again only after their grace period. What does not end in time, a
 * user's own pod that holds a claim, ends with the namespace.
 */
async function emptyNamespace(client: KubeClient, plan: Plan, signal: AbortSignal): Promise<void> {
  const inTime = AbortSignal.any([signal, AbortSignal.timeout(ORDERLY_MS)])
  try {
    await endServices(client, plan, inTime)
    await removeObjects(client, plan, inTime)
    await removeClaims(client, plan, inTime)
  } catch (error) {
    if (signal.aborted || !inTime.aborted) throw error
  }
}

async function removeClaims(client: KubeClient, plan: Plan, signal: AbortSignal): Promise<void> {
  const { items } = await client.call<{ items: Live[] | null }>('GET', knownPath('PersistentVolumeClaim', plan.namespace), {
    signal,
  })
  const claims = (items ?? []).map(({ metadata }) => ({ apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata }))
  await Promise.all(claims.map((claim) => deleteObject(client, claim, { signal, wait: true })))
}

async function removeNamespace(client: KubeClient, plan: Plan, signal: AbortSignal): Promise<void> {
  const object = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: plan.namespace } }
  await deleteObject(client, object, { signal })
  const gone = untilGone(client, knownPath('Namespace'), plan.namespace, signal).then(() => true)
  const isLate = () => delay(LATE_MS, false, { signal })
  while (!(await Promise.race([gone, isLate()]))) await dropUnavailableMetricsApi(client, signal)
}

async function holdsData(client: KubeClient, plan: Plan): Promise<boolean> {
  const lists = await Promise.all([
    client.call<{ items: Live[] | null }>('GET', knownPath('PersistentVolumeClaim', plan.namespace)),
    client.call<{ items: Live[] | null }>('GET', `${knownPath('Secret', plan.namespace)}?labelSelector=${LABEL.database}`),
  ])
  return lists.some(({ items }) => (items ?? []).length > 0)
}

function clusterScoped(plan: Plan): KubeObject[] {
  return plan.objects.filter(({ kind, metadata }) => kind !== 'Namespace' && metadata.namespace === undefined)
}

async function removeOwn(client: KubeClient, object: KubeObject, plan: Plan, signal: AbortSignal): Promise<void> {
  const resource = await resourceOf(client, object.apiVersion, object.kind)
  if (resource === undefined || resource.namespaced) return
  const live = await orMissing(client.call<Live>('GET', pathOf(resource, undefined, object.metadata.name)))
  if (live?.metadata.labels?.[LABEL.run] === runLabel(plan)) await deleteObject(client, object, { signal })
}

function podsOf(plan: Plan, selector: string): string {
  return `${knownPath('Pod', plan.namespace)}?labelSelector=${encodeURIComponent(selector)}`
}

import { ShivError, toErrorShape } from '../../core/errors.ts'
import type { DependencyAddress, DependencyAddresses } from '../../engine/dependency-ports.ts'
import type { ClusterDriver, RunContext } from '../../engine/ports.ts'
import { DEPENDENCY_PLACEHOLDER } from '../../plan/remote.ts'
import { DEPENDENCY_LABEL, NAMESPACE_LABEL } from '../../plan/remote-objects.ts'
import type { KubeObject, Plan } from '../../plan/types.ts'
import { applyObject } from './apply.ts'
import { type KubeClient, orMissing } from './client.ts'
import { knownPath } from './mapping.ts'
import { runLabel, settleNamespace } from './namespace.ts'
import { LABEL, type Live } from './objects.ts'
import { isAuthorityConfig, withAuthority } from './trust.ts'
import { untilGone } from './until.ts'

/** Where pods reach the dependencies of the Plan, which are let in to by this. Throws DEPENDENCY_POD_ADDRESS where pods do not reach this machine. */
export async function openToPods(plan: Plan, driver: ClusterDriver, context: RunContext): Promise<DependencyAddresses> {
  // A Plan that an earlier version kept has none.
  if ((plan.remotes ?? []).length === 0) return new Map()
  if (context.openToPods && driver.podPlace) return context.openToPods(await driver.podPlace(plan.cluster))
  throw new ShivError('Pods of this cluster cannot be led to dependencies outside of the workspace.', {
    code: 'DEPENDENCY_POD_ADDRESS',
    exit: 3,
    hint: 'shiv start --runtime process goes without a cluster',
  })
}

/** Fills addresses and ports into EndpointSlices, and whom pods trust into its ConfigMap. One whose dependency is not served gets no endpoint: connections are refused, not left hanging. */
export function withDependencies(objects: KubeObject[], addresses: DependencyAddresses): KubeObject[] {
  return objects.map((object) => {
    if (isAuthorityConfig(object)) return withAuthority(object, addresses)
    const name = placeholderOf(object)
    return name === undefined ? object : filled(object, addresses.get(name))
  })
}

/** The dependency whose address an EndpointSlice waits for. */
function placeholderOf(object: KubeObject): string | undefined {
  if (object.kind !== 'EndpointSlice') return undefined
  const [port] = object['ports'] as { port: unknown }[]
  const text = String(port?.port)
  return text.startsWith(DEPENDENCY_PLACEHOLDER) ? text.slice(DEPENDENCY_PLACEHOLDER.length) : undefined
}

function filled(object: KubeObject, address: DependencyAddress | undefined): KubeObject {
  if (address === undefined) return { ...object, endpoints: [], ports: [] }
  const ports = (object['ports'] as object[]).map((port) => ({ ...port, port: address.port }))
  return {
    ...object,
    addressType: address.host.includes(':') ? 'IPv6' : 'IPv4',
    endpoints: [{ addresses: [address.host], conditions: { ready: true } }],
    ports,
  }
}

/**
 * For a daemon that takes a run over: pods are let in again, and what is in the cluster is pointed at where the dependencies are now. What
 * cannot be done is a warning, since everything else of the run goes on.
 */
export async function reopenDependencies(
  client: KubeClient,
  plan: Plan,
  driver: ClusterDriver,
  context: RunContext,
): Promise<void> {
  try {
    const addresses = await openToPods(plan, driver, context)
    const slices = plan.objects.filter((object) => addresses.has(placeholderOf(object) ?? ''))
    const options = { owner: { label: LABEL.run, value: runLabel(plan) }, known: undefined, signal: context.signal }
    await Promise.all(withDependencies(slices, addresses).map((slice) => applyObject(client, slice, options)))
  } catch (error) {
    context.signal.throwIfAborted()
    const { code, message } = toErrorShape(error)
    context.emit({
      kind: 'warning',
      code: 'DEPENDENCY_NOT_REOPENED',
      message: `Pods do not reach dependencies outside of the workspace: ${message} (${code})`,
      hint: 'shiv start tries again.',
    })
  }
}

/** The namespaces of the Plan that are there for dependencies alone. */
export function dependencyNamespaces(plan: Plan): KubeObject[] {
  return plan.objects.filter(({ kind, metadata }) => kind === 'Namespace' && metadata.labels?.[NAMESPACE_LABEL] !== undefined)
}

/** Waits out those that are being deleted. Throws KUBE_NAMESPACE_FOREIGN for one that somebody else has: it is never taken over. */
export async function claimNamespaces(client: KubeClient, plan: Plan, signal: AbortSignal): Promise<void> {
  await Promise.all(
    dependencyNamespaces(plan).map(async ({ metadata: { name } }) => {
      if (!(await settleNamespace(client, name, signal))) return
      const found = await orMissing(client.call<Live>('GET', knownPath('Namespace', undefined, name), { signal }))
      const labels = found?.metadata.labels ?? {}
      if (found !== undefined && (labels[LABEL.run] !== runLabel(plan) || labels[NAMESPACE_LABEL] === undefined))
        throw foreign(plan, name, labels[LABEL.run])
    }),
  )
}

/** Takes away the namespaces that a run made for its dependencies, whatever Plan it had, and waits until they are gone. */
export async function removeDependencyNamespaces(client: KubeClient, plan: Plan, signal: AbortSignal): Promise<void> {
  const selector = encodeURIComponent(`${LABEL.run}=${runLabel(plan)},${NAMESPACE_LABEL}`)
  const list = await client.call<{ items: Live[] | null }>('GET', `${knownPath('Namespace')}?labelSelector=${selector}`, {
    signal,
  })
  await Promise.all(
    (list.items ?? []).map(async ({ metadata: { name, uid } }) => {
      await orMissing(client.call('DELETE', knownPath('Namespace', undefined, name), { signal }))
      await untilGone(client, knownPath('Namespace'), name, signal, uid)
    }),
  )
}

function foreign(plan: Plan, namespace: string, run: string | undefined): ShivError {
  const names = plan.objects.flatMap(({ kind, metadata }) =>
    kind === 'Service' && metadata.namespace === namespace ? (metadata.labels?.[DEPENDENCY_LABEL] ?? []) : [],
  )
  const owner = run === undefined ? 'somebody else' : `the shiv workspace "${run}"`
  return new ShivError(
    `The namespace ${namespace}, which ${names.join(' and ')} is called in, belongs to ${owner} in the cluster ${plan.cluster.name}; it is not touched.`,
    {
      code: 'KUBE_NAMESPACE_FOREIGN',
      exit: 1,
      hint: `give this workspace a cluster of its own in shiv.yaml: cluster: { name: ${plan.workspace.name} }`,
    },
  )
}

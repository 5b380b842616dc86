import { ShivError } from '../../core/errors.ts'
import type { KubeObject, Plan } from '../../plan/types.ts'
import { type KubeClient, orMissing } from './client.ts'
import { knownPath } from './mapping.ts'
import { LABEL, type Live } from './objects.ts'
import { untilGone } from './until.ts'

/** Waits out a namespace that is being deleted, so that a new one can be made. Returns whether a live one of ours is there. */
export async function settleNamespace(client: KubeClient, namespace: string, signal: AbortSignal): Promise<boolean> {
  const found = await orMissing(client.call<Live>('GET', knownPath('Namespace', undefined, namespace), { signal }))
  if (found === undefined) return false
  if (found.metadata.deletionTimestamp === undefined) return true
  await untilGone(client, knownPath('Namespace'), namespace, signal, found.metadata.uid)
  return false
}

/** The namespace when it is there and this run's; undefined otherwise. */
export async function ownNamespace(client: KubeClient, plan: Plan): Promise<Live | undefined> {
  const found = await orMissing(client.call<Live>('GET', knownPath('Namespace', undefined, plan.namespace)))
  return found?.metadata.labels?.[LABEL.run] === runLabel(plan) ? found : undefined
}

/** What `shiv.dev/run` says on everything of a Plan. */
export function runLabel(plan: Plan): string {
  return plan.workspace.name
}

/** Two clones of a workspace share its namespace; this tells whose run it holds now. */
const RUN_ID = 'shiv.dev/run-id'

export function isOfRun(namespace: Live | undefined, runId: string): boolean {
  return namespace?.metadata.annotations?.[RUN_ID] === runId
}

/** The Plan's own Namespace object, marked with the run. */
export function namespaceObject(plan: Plan, runId: string): KubeObject {
  const object = plan.objects.find(({ kind, metadata }) => kind === 'Namespace' && metadata.name === plan.namespace)
  if (object !== undefined) {
    return { ...object, metadata: { ...object.metadata, annotations: { ...object.metadata.annotations, [RUN_ID]: runId } } }
  }
  throw new ShivError(`The Plan has no object for its namespace ${plan.namespace}.`, { code: 'PLAN_NAMESPACE_MISSING' })
}

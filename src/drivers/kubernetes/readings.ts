import type { Cluster } from '../../engine/ports.ts'
import type { Plan, ReadingTarget, RuntimeQuestion } from '../../plan/types.ts'
import { KubeApiError, type KubeClient, orMissing } from './client.ts'
import { pathOf, resourceOf } from './mapping.ts'
import type { Live } from './objects.ts'
import { answer } from './questions.ts'
import type { View } from './observer.ts'

export type Reading = { actual: unknown } | undefined

/**
 * Live values, one for each target and in their order. An object or field that is not there reads as `{ actual: undefined }`; what the
 * cluster does not let us read, or cannot tell, as `undefined`. Each object is fetched once.
 */
export async function readLive(
  client: KubeClient,
  plan: Plan,
  targets: ReadingTarget[],
  given: { view: View; cluster: Cluster; signal: AbortSignal },
): Promise<Reading[]> {
  const objects = new Map<string, Promise<Live | undefined>>()
  const answers = new Map<RuntimeQuestion, Promise<Reading>>()
  return Promise.all(
    targets.map((target) => {
      if (target.kind === 'object') return unlessRefused(() => readObject(client, target, objects, plan.namespace))
      const known = answers.get(target.question) ?? unlessRefused(() => answer(client, plan, target.question, given))
      answers.set(target.question, known)
      return known
    }),
  )
}

async function readObject(
  client: KubeClient,
  target: Extract<ReadingTarget, { kind: 'object' }>,
  objects: Map<string, Promise<Live | undefined>>,
  namespace: string,
): Promise<Reading> {
  const resource = await resourceOf(client, target.apiVersion, target.object)
  if (resource === undefined) return { actual: undefined }
  const path = pathOf(resource, target.namespace ?? namespace, target.name)
  const fetching = objects.get(path) ?? orMissing(client.call<Live>('GET', path))
  objects.set(path, fetching)
  return { actual: valueAt(await fetching, target.path) }
}

/** What a JSON Pointer leads to; undefined when a step is missing. */
export function valueAt(root: unknown, pointer: string): unknown {
  let value = root
  for (const step of pointer.split('/').slice(1)) {
    const name = step.replaceAll('~1', '/').replaceAll('~0', '~')
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined
    value = (value as Record<string, unknown>)[name]
  }
  return value
}

async function unlessRefused(work: () => Promise<Reading>): Promise<Reading> {
  try {
    return await work()
  } catch (error) {
    // Parity tells "unreadable" from "drifted": a refusal is the former.
    if (error instanceof KubeApiError) return undefined
    throw error
  }
}

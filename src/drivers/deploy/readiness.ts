import type { Readiness } from '../../engine/deploy/ports.ts'
import { podSpecOf } from '../../plan/pod-templates.ts'
import type { KubeObject, Plan } from '../../plan/types.ts'
import { KubeApiError, type KubeClient, isMissing, orMissing } from '../kubernetes/client.ts'
import { knownPath } from '../kubernetes/mapping.ts'
import { LABEL, type Live, type SecretObject } from '../kubernetes/objects.ts'
import { DEPLOYER } from './objects.ts'

/** Says which environment a namespace is, so that no other is deployed over it by mistake. */
const MARK = 'shiv-environment'

/** What is there of what a Plan needs; looks only. Of Secrets the keys are looked at, never a value. */
export async function readReadiness(client: KubeClient, plan: Plan): Promise<Readiness> {
  const made = new Set(plan.secrets.filter(({ name }) => isInCluster(plan, name)).map(({ name }) => name))
  const wanted = [...keysBySecret(plan.objects)].filter(([secret]) => !made.has(secret))
  const unseen: string[] = []
  const [namespace, mark, secrets] = await Promise.all([
    readNamespace(client, plan),
    orMissing(client.call<Live & { data?: Record<string, string> }>('GET', knownPath('ConfigMap', plan.namespace, MARK))),
    Promise.all(
      wanted.map(async ([secret, keys]) => {
        const found = await readSecret(client, plan.namespace, secret)
        if (found === 'forbidden') unseen.push(secret)
        return { secret, keys, found }
      }),
    ),
  ])
  return {
    namespace,
    deployedAs: mark?.data?.['environment'],
    unseen,
    missing: secrets.flatMap(({ secret, keys, found }) => {
      if (found === 'forbidden') return []
      const lacking = keys.filter((key) => found?.data?.[key] === undefined)
      return lacking.length === 0 ? [] : [{ secret, keys: lacking, isThere: found !== undefined }]
    }),
    versions: secrets.flatMap(({ secret, found }) =>
      found === undefined || found === 'forbidden' ? [] : [{ name: secret, resourceVersion: found.metadata.resourceVersion }],
    ),
  }
}

/** Marks the namespace as the environment, once. */
export async function markNamespace(client: KubeClient, namespace: string, environment: string): Promise<void> {
  const body = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: MARK, namespace, labels: { [LABEL.managedBy]: 'shiv' } },
    data: { environment },
  }
  try {
    await client.call('POST', `${knownPath('ConfigMap', namespace)}?fieldManager=${DEPLOYER}`, { body })
  } catch (error) {
    if (!(error instanceof KubeApiError) || error.status !== 409) throw error
  }
}

/** Whether a Secret is that of a database that the Plan itself puts into the cluster. */
export function isInCluster(plan: Plan, secret: string): boolean {
  const source = plan.secrets.find(({ name }) => name === secret)?.source
  if (source?.kind !== 'credentials') return false
  return plan.objects.some(
    ({ kind, metadata }) => kind === 'StatefulSet' && metadata.labels?.[LABEL.database] === source.database,
  )
}

async function readNamespace(client: KubeClient, plan: Plan): Promise<Readiness['namespace']> {
  try {
    const found = await orMissing(client.call<Live>('GET', knownPath('Namespace', undefined, plan.namespace)))
    if (found === undefined) return 'missing'
    return found.metadata.labels?.[LABEL.run] === plan.workspace.name ? 'ours' : 'theirs'
  } catch (error) {
    // Who may deploy into a namespace may often not look at it.
    if (error instanceof KubeApiError && error.status === 403) return 'theirs'
    throw error
  }
}

async function readSecret(client: KubeClient, namespace: string, name: string): Promise<SecretObject | 'forbidden' | undefined> {
  try {
    return await client.call<SecretObject>('GET', knownPath('Secret', namespace, name))
  } catch (error) {
    if (isMissing(error)) return undefined
    if (error instanceof KubeApiError && error.status === 403) return 'forbidden'
    throw error
  }
}

/** Every key of every Secret that the containers of these objects read as a variable. */
function keysBySecret(objects: KubeObject[]): Map<string, string[]> {
  const keys = new Map<string, Set<string>>()
  const variables = objects.flatMap((object) => {
    const spec = podSpecOf(object)
    return ['containers', 'initContainers'].flatMap((list) =>
      ((spec?.[list] ?? []) as { env?: Variable[] }[]).flatMap(({ env = [] }) => env),
    )
  })
  for (const { valueFrom } of variables) {
    const reference = valueFrom?.secretKeyRef
    if (reference === undefined || reference.optional === true) continue
    keys.set(reference.name, (keys.get(reference.name) ?? new Set()).add(reference.key))
  }
  return new Map([...keys].map(([secret, wanted]) => [secret, [...wanted]]))
}

interface Variable {
  valueFrom?: { secretKeyRef?: { name: string; key: string; optional?: boolean } }
}

import { ShivError } from '../../core/errors.ts'
import type { RunContext } from '../../engine/ports.ts'
import type { Plan } from '../../plan/types.ts'
import { awaitReady, awaitRoutes } from './await-ready.ts'
import type { KubeClient } from './client.ts'
import { knownPath } from './mapping.ts'
import type { Workload } from './objects.ts'
import type { Observer } from './observer.ts'
import { subjectOf } from './state.ts'

/** Rolls every workload of a service or database over, as `kubectl rollout restart` does, and waits until the new pods are ready. */
export async function restartSubject(
  client: KubeClient,
  observer: Observer,
  plan: Plan,
  subject: string,
  context: RunContext,
): Promise<void> {
  const { deployments, statefulSets } = observer.view()
  const workloads = [
    ...deployments.map((object) => ({ kind: 'Deployment', object })),
    ...statefulSets.map((object) => ({ kind: 'StatefulSet', object })),
  ].filter(({ object }) => subjectOf(object) === subject)
  if (workloads.length === 0) throw nothingThere(subject)
  const since = Date.now()
  const targets = await Promise.all(
    workloads.map(async ({ kind, object }) => {
      const live = await annotate(client, kind, object, plan.namespace, context.signal)
      return {
        kind,
        name: object.metadata.name,
        subject,
        since,
        generation: live.metadata.generation ?? 0,
        uid: live.metadata.uid,
        startedAfter: 0,
        dependencies: [],
      }
    }),
  )
  await context.step(`restart ${subject}`, async (step) => {
    await awaitReady(client, observer, targets, { signal: context.signal, progress: (text) => step.progress(text) })
    await awaitRoutes(observer, [subject], context.signal)
  })
}

function annotate(client: KubeClient, kind: string, object: Workload, namespace: string, signal: AbortSignal): Promise<Workload> {
  const annotations = { 'kubectl.kubernetes.io/restartedAt': new Date().toISOString() }
  const path = `${knownPath(kind, namespace, object.metadata.name)}?fieldManager=shiv-restart`
  return client.call<Workload>('PATCH', path, {
    body: { spec: { template: { metadata: { annotations } } } },
    contentType: 'application/merge-patch+json',
    signal,
  })
}

function nothingThere(subject: string): ShivError {
  return new ShivError(`Nothing of ${subject} is in the cluster.`, { code: 'POD_NOT_READY', hint: 'shiv start' })
}

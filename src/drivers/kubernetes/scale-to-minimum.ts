import type { KubeObject } from '../../plan/types.ts'
import type { KubeClient } from './client.ts'
import { knownPath } from './mapping.ts'
import type { Live, Workload } from './objects.ts'

/**
 * An autoscaler raises a new workload to its minimum only at its next round, 15 s later; we do it now. The field stays the
 * autoscaler's: it is changed through the scale subresource, not applied.
 */
export async function scaleToMinimum(
  client: KubeClient,
  objects: KubeObject[],
  liveOf: (object: KubeObject) => Live | undefined,
  signal: AbortSignal,
): Promise<void> {
  const autoscalers = objects.filter(({ kind }) => kind === 'HorizontalPodAutoscaler')
  await Promise.all(
    autoscalers.map(async (autoscaler) => {
      const { minReplicas = 1, scaleTargetRef } = autoscaler['spec'] as {
        minReplicas?: number
        scaleTargetRef: { kind: string; name: string }
      }
      const target = objects.find(({ kind, metadata }) => kind === scaleTargetRef.kind && metadata.name === scaleTargetRef.name)
      const live = target && (liveOf(target) as Workload | undefined)
      if (live === undefined || (live.spec.replicas ?? 1) >= minReplicas) return
      const path = `${knownPath(scaleTargetRef.kind, live.metadata.namespace, live.metadata.name)}/scale?fieldManager=shiv-scale`
      await client.call('PATCH', path, {
        body: { spec: { replicas: minReplicas } },
        contentType: 'application/merge-patch+json',
        signal,
      })
    }),
  )
}

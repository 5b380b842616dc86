import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createKindRuntime } from '../../../src/drivers/kubernetes/runtime.ts'
import type { KubeObject } from '../../../src/plan/types.ts'
import { type TestCluster, acquireCluster, whyNoCluster } from '../../support/cluster.ts'
import { contextOf, references } from './context.ts'
import { kindPlan, labelsOf } from './plans.ts'

const why = whyNoCluster()
if (why !== undefined) console.log(`skipped: metrics-server on a real cluster (${why})`)

describe.skipIf(why !== undefined)('a workspace with an autoscaler', () => {
  let test: TestCluster
  beforeAll(async () => {
    test = await acquireCluster()
  }, 300_000)
  afterAll(() => {
    test?.kubectl('delete', 'namespace', 'shiv-scaled', '--wait=false', '--ignore-not-found')
    test?.release()
  })

  it('starts with its minimum of replicas at once, and gets metrics-server without waiting for it', async () => {
    const runtime = createKindRuntime({ home: test.home, cluster: test.driver, images: references })
    const namespace = 'shiv-scaled'
    const autoscaler: KubeObject = {
      apiVersion: 'autoscaling/v2',
      kind: 'HorizontalPodAutoscaler',
      metadata: { name: 'web', namespace, labels: labelsOf({ namespace, run: 'scaled' }, {}) },
      spec: {
        scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' },
        minReplicas: 2,
        maxReplicas: 3,
        metrics: [{ type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 70 } } }],
      },
    }
    const plan = kindPlan('scaled', test.spec, [{ name: 'web' }], { objects: [autoscaler] })
    for (const { kind, spec } of plan.objects as (KubeObject & { spec?: { replicas?: number } })[]) {
      if (kind === 'Deployment') delete spec?.replicas
    }
    const context = contextOf(plan)
    const state = await runtime.reconcile(plan, context)
    expect(state.services[0]).toMatchObject({ desired: 2, replicas: [{ state: 'ready' }, { state: 'ready' }] })

    const question = { kind: 'runtime', question: 'metrics-api', expect: true } as const
    await expect
      .poll(() => runtime.readings(plan, [question], context), { timeout: 90_000, interval: 1000 })
      .toEqual([{ actual: true }])
    const again = await runtime.reconcile(plan, context)
    expect(again.services[0]?.desired).toBe(2)
    expect(context.events.filter(({ kind }) => kind === 'warning')).toEqual([])
    await runtime.release(context.runId)
  }, 150_000)
})

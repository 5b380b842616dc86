import { describe, expect, test } from 'vitest'
import type { Live, Workload } from '../../../src/drivers/kubernetes/objects.ts'
import { emptyView } from '../../../src/drivers/kubernetes/observer.ts'
import { hasSucceeded } from '../../../src/drivers/kubernetes/rollout.ts'

describe('a Job', () => {
  const job = { metadata: { uid: 'job', name: 'migrate' }, spec: {} } as unknown as Workload
  const pod = (status: object) =>
    ({
      metadata: { name: 'pod', ownerReferences: [{ kind: 'Job', name: 'migrate', uid: 'job', controller: true }] },
      spec: { containers: [{ name: 'migrate' }] },
      status,
    }) as unknown as Live & { spec: never; status: never }
  const succeeded = (status: object, workload = job): boolean =>
    hasSucceeded({ ...emptyView(), pods: [pod(status)] }, 'Job', workload)
  const ended = (exitCode: number) => ({
    phase: 'Running',
    containerStatuses: [{ name: 'migrate', state: { terminated: { exitCode } } }],
  })

  test('has succeeded when its only pod has, also before the Job itself says so', () => {
    expect(succeeded({ phase: 'Succeeded' })).toBe(true)
    expect(succeeded(ended(0))).toBe(true)
    expect(succeeded(ended(1))).toBe(false)
    expect(succeeded({ phase: 'Running', containerStatuses: [] })).toBe(false)
    expect(succeeded({ phase: 'Failed' })).toBe(false)
  })

  test('of several completions says so itself', () => {
    expect(succeeded({ phase: 'Succeeded' }, { ...job, spec: { completions: 2 } })).toBe(false)
  })
})

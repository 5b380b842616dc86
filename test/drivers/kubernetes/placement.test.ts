import { describe, expect, it } from 'vitest'
import { diagnose } from '../../../src/drivers/kubernetes/diagnose.ts'
import type { Node, Pod, Workload } from '../../../src/drivers/kubernetes/objects.ts'
import { emptyView, type View } from '../../../src/drivers/kubernetes/observer.ts'

const NOW = Date.parse('2026-01-01T00:01:00Z')
const REFUSED = '0/1 nodes are available: 1 node(s) had untolerated taint(s). no new claims to deallocate.'

describe('a pod that no node takes', () => {
  it('is hopeless where the taint stays', () => {
    expect(diagnosed(REFUSED, [node('shop.dev/only-for')])?.code).toBe('POD_UNSCHEDULABLE')
  })

  it.each([
    ['the node is not ready yet', [node('node.kubernetes.io/not-ready')]],
    ['the control plane of a cluster in the making is still reserved', [node('node-role.kubernetes.io/control-plane')]],
    ['the node lost its taint since the scheduler looked', [node()]],
    ['no node is known yet', []],
  ])('has hope while %s', (_title, nodes) => {
    expect(diagnosed(REFUSED, nodes)).toBeUndefined()
  })

  it('is hopeless beside a reserved control plane once the workers are there', () => {
    const message = '0/2 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint(s).'
    expect(diagnosed(message, [node('node-role.kubernetes.io/control-plane'), node()])?.message).toMatch(/enough cpu/)
  })
})

function diagnosed(message: string, nodes: Node[]) {
  const set = {
    metadata: { name: 'db', namespace: 'shop', uid: 'set', generation: 1 },
    spec: { replicas: 1 },
    status: { observedGeneration: 1, updateRevision: 'one' },
  }
  const pod = {
    metadata: {
      name: 'db-0',
      uid: 'pod',
      labels: { 'controller-revision-hash': 'one' },
      ownerReferences: [{ kind: 'StatefulSet', name: 'db', uid: 'set', controller: true }],
    },
    spec: { containers: [] },
    status: {
      phase: 'Pending',
      conditions: [
        { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message, lastTransitionTime: '2026-01-01T00:00:00Z' },
      ],
    },
  }
  const view: View = { ...emptyView(), nodes, pods: [pod as unknown as Pod], statefulSets: [set as unknown as Workload] }
  return diagnose(view, 'StatefulSet', set as unknown as Workload, 0, NOW)
}

function node(...taints: string[]): Node {
  const spec = { taints: taints.map((key) => ({ key, effect: 'NoSchedule' })) }
  return { metadata: { name: 'one', uid: 'node' }, spec } as unknown as Node
}

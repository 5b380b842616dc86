import { describe, expect, it } from 'vitest'
import { assignNodePorts } from '../../../src/drivers/kubernetes/node-ports.ts'
import type { ServiceObject } from '../../../src/drivers/kubernetes/objects.ts'
import type { KubeObject } from '../../../src/plan/types.ts'

const range = { from: 30000, to: 30002 }
const wanted = (name: string): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace: 'shop' },
  spec: { type: 'NodePort', ports: [{ name: 'http', port: 80 }] },
})
const live = (name: string, nodePort: number, namespace = 'shop') =>
  ({ kind: 'Service', metadata: { name, namespace }, spec: { ports: [{ port: 80, nodePort }] } }) as unknown as ServiceObject
const portsOf = (objects: KubeObject[]) =>
  objects.map((object) => (object['spec'] as { ports: { nodePort?: number }[] }).ports[0]?.nodePort)

describe('node ports where only some lead in', () => {
  it('follow from the name, stay what they are, and never meet', () => {
    const first = portsOf(assignNodePorts([wanted('a'), wanted('b'), wanted('c')], [], range))
    expect(new Set(first)).toEqual(new Set([30000, 30001, 30002]))
    expect(portsOf(assignNodePorts([wanted('a')], [], range))).toEqual([first[0]])
    expect(portsOf(assignNodePorts([wanted('a')], [live('a', 30002)], range))).toEqual([30002])
    expect(portsOf(assignNodePorts([wanted('a')], [live('x', 30000, 'other'), live('y', 30001)], range))).toEqual([30002])
  })

  it('move when they lie outside', () => {
    expect(portsOf(assignNodePorts([wanted('a')], [live('a', 31234)], range))[0]).toBeLessThanOrEqual(30002)
  })

  it('run out with an error that says what to do', () => {
    const taken = [live('x', 30000), live('y', 30001), live('z', 30002)]
    expect(() => assignNodePorts([wanted('a')], taken, range)).toThrow(
      expect.objectContaining({ code: 'KUBE_NODE_PORTS_EXHAUSTED' }),
    )
  })

  it('leave Services inside the cluster alone', () => {
    const inside = { ...wanted('a'), spec: { type: 'ClusterIP', ports: [{ port: 80 }] } }
    expect(assignNodePorts([inside], [], range)).toEqual([inside])
  })
})

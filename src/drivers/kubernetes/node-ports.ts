import { createHash } from 'node:crypto'
import { ShivError } from '../../core/errors.ts'
import type { KubeObject } from '../../plan/types.ts'
import type { ServiceObject } from './objects.ts'

interface ServicePort {
  name?: string
  port: number
  nodePort?: number
}

/**
 * Gives each port of each NodePort Service a number of the mapped range: the one it has already, else one that follows from
 * its name, else the next that is free in the whole cluster. Throws KUBE_NODE_PORTS_EXHAUSTED when none is.
 */
export function assignNodePorts(objects: KubeObject[], live: ServiceObject[], range: { from: number; to: number }): KubeObject[] {
  const taken = new Map<number, string>()
  for (const service of live) {
    for (const { nodePort, port } of service.spec.ports ?? []) {
      if (nodePort !== undefined) taken.set(nodePort, portKey(service.metadata.namespace, service.metadata.name, port))
    }
  }
  const held = new Map([...taken].map(([nodePort, key]) => [key, nodePort]))
  const isInside = (nodePort: number | undefined) => nodePort !== undefined && nodePort >= range.from && nodePort <= range.to

  return objects.map((object) => {
    const spec = object['spec'] as { type?: string; ports?: ServicePort[] } | undefined
    if (object.kind !== 'Service' || spec?.type !== 'NodePort') return object
    const ports = (spec.ports ?? []).map((entry) => {
      if (entry.nodePort !== undefined) return entry
      const key = portKey(object.metadata.namespace, object.metadata.name, entry.port)
      const before = held.get(key)
      const nodePort = isInside(before) ? before : freePort(key, taken, range)
      taken.set(nodePort as number, key)
      return { ...entry, nodePort }
    })
    return { ...object, spec: { ...spec, ports } }
  })
}

function freePort(key: string, taken: Map<number, string>, range: { from: number; to: number }): number {
  const size = range.to - range.from + 1
  const start = createHash('sha256').update(key).digest().readUInt32BE(0) % size
  for (let step = 0; step < size; step += 1) {
    const candidate = range.from + ((start + step) % size)
    if (!taken.has(candidate)) return candidate
  }
  throw new ShivError(`All ${size} node ports that lead into the cluster (${range.from} to ${range.to}) are taken.`, {
    code: 'KUBE_NODE_PORTS_EXHAUSTED',
    hint: 'Stop a workspace that you do not need: shiv status --all, then shiv stop in its folder.',
  })
}

function portKey(namespace: string | undefined, name: string, port: number): string {
  return `${namespace}/${name}/${port}`
}

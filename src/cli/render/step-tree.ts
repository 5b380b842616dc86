import type { WireEvent } from '../../wire/messages.ts'

type StepEvent = Extract<WireEvent, { kind: 'step' }>['step']

export interface StepNode {
  latest: StepEvent
  children: StepNode[]
  parent: StepNode | undefined
}

/** The steps of one command as a tree, in the order in which they began. */
export interface StepTree {
  roots: StepNode[]
  /** Takes one event; returns its node. */
  apply(event: StepEvent): StepNode
}

export function createStepTree(): StepTree {
  const nodes = new Map<number, StepNode>()
  const roots: StepNode[] = []
  return {
    roots,
    apply(event) {
      const known = nodes.get(event.id)
      if (known) {
        known.latest = event
        return known
      }
      const parent = event.parent === undefined ? undefined : nodes.get(event.parent)
      const node: StepNode = { latest: event, children: [], parent }
      nodes.set(event.id, node)
      ;(parent?.children ?? roots).push(node)
      return node
    },
  }
}

/** Names from the root to the node. */
export function pathOf(node: StepNode): string[] {
  return [...(node.parent ? pathOf(node.parent) : []), node.latest.name]
}

/** Running steps that have no running child, the ones that something waits for. */
export function runningLeaves(nodes: StepNode[]): StepNode[] {
  return nodes.flatMap((node) => {
    if (node.latest.state !== 'running') return []
    const below = runningLeaves(node.children)
    return below.length > 0 ? below : [node]
  })
}

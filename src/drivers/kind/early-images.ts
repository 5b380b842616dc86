import { setTimeout as delay } from 'node:timers/promises'
import type { NodeStore } from './node-store.ts'

const pollMs = 200

export interface EarlyImages {
  /** The stores of all nodes; fewer while their containers are still being made. */
  stores(): Promise<NodeStore[]>
  nodes: number
  /** Asked when the nodes can take images: what will be wanted. */
  references(): Promise<string[]>
  deliver(references: string[], stores: NodeStore[]): Promise<unknown>
  /** Settles when the creation has ended. */
  creation: Promise<void>
  signal: AbortSignal
}

/**
 * Sends images while the control plane comes up: a node's containerd answers long before its API server does. Whatever goes wrong
 * here is left to the delivery that follows, which asks the nodes what they have and tells its own failures.
 */
export async function sendEarlyImages(early: EarlyImages): Promise<void> {
  let isOver = false
  const end = (): void => void (isOver = true)
  early.creation.then(end, end)
  while (!isOver && !early.signal.aborted) {
    try {
      const stores = await early.stores()
      if (stores.length === early.nodes) {
        await Promise.all(stores.map((store) => store.images()))
        break
      }
    } catch {
      // Its containerd is not up yet.
    }
    await delay(pollMs)
  }
  if (isOver || early.signal.aborted) return
  try {
    await early.deliver(await early.references(), await early.stores())
  } catch {
    // See above: the delivery that follows finds the same trouble, or finds it gone.
  }
}

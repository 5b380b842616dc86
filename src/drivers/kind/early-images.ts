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
  const over = new AbortController()
  const end = (): void => over.abort()
  early.creation.then(end, end)
  const signal = AbortSignal.any([over.signal, early.signal])
  while (!signal.aborted && !(await canTakeImages(early))) await delay(pollMs)
  if (signal.aborted) return
  try {
    await early.deliver(await early.references(), await early.stores())
  } catch {
    // The delivery that follows finds the same trouble, or finds it gone.
  }
}

async function canTakeImages(early: EarlyImages): Promise<boolean> {
  try {
    const stores = await early.stores()
    await Promise.all(stores.map((store) => store.images()))
    return stores.length === early.nodes
  } catch {
    return false // its containerd is not up yet
  }
}

import type { Plan } from '../../plan/types.ts'
import { runLabel } from './namespace.ts'
import { LABEL, type Pod } from './objects.ts'
import type { Observer, View } from './observer.ts'
import { subjectOf } from './state.ts'

/** Resolves when the watched namespace is as `holds` wants it. Rejects with the signal's reason when aborted. */
export async function untilView(observer: Observer, holds: (view: View) => boolean, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted()
  let release = () => {}
  const seen = new Promise<void>((resolve, reject) => {
    const look = () => holds(observer.view()) && resolve()
    const abort = () => reject(signal.reason as Error)
    const unsubscribe = observer.subscribe(look)
    signal.addEventListener('abort', abort, { once: true })
    release = () => {
      unsubscribe()
      signal.removeEventListener('abort', abort)
    }
    look()
  })
  await seen.finally(() => release())
}

/** Resolves when the pods of what left the Plan have ended: what is started in their place next then meets none of them. */
export function untilDrained(observer: Observer, plan: Plan, signal: AbortSignal): Promise<void> {
  const staying = new Set([...plan.services, ...plan.databases].map(({ name }) => name))
  const isLeaving = (pod: Pod) => pod.metadata.labels?.[LABEL.run] === runLabel(plan) && !staying.has(subjectOf(pod) ?? '')
  return untilView(observer, ({ pods }) => !pods.some(isLeaving), signal)
}

import { AsyncLocalStorage } from 'node:async_hooks'
import type { RunContext } from './ports.ts'
import type { StepEvent } from './results.ts'

export interface Steps {
  step: RunContext['step']
  /** Each step in its last state, in the order they began. */
  spans(): StepEvent[]
}

/** Times nested pieces of work from now on and tells each change; a step begun inside another is its child, also across awaits. */
export function createSteps(tell: (event: StepEvent) => void): Steps {
  const began = performance.now()
  const parent = new AsyncLocalStorage<number>()
  const last = new Map<number, StepEvent>()
  const now = (): number => performance.now() - began

  const update = (event: StepEvent): void => {
    last.set(event.id, event)
    tell(event)
  }
  return {
    spans: () => [...last.values()],
    async step(name, work) {
      const id = last.size + 1
      const within = parent.getStore()
      let event: StepEvent = { id, ...(within !== undefined && { parent: within }), name, state: 'running', startedMs: now() }
      update(event)
      let note: string | undefined
      const end = (state: StepEvent['state']): void => update({ ...event, state, durationMs: now() - event.startedMs, note })
      try {
        const result = await parent.run(id, () =>
          work({
            progress: (text) => update((event = { ...event, note: text })),
            note: (text) => (note = text),
          }),
        )
        end('done')
        return result
      } catch (error) {
        end('failed')
        throw error
      }
    },
  }
}

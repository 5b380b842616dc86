import type { ImageBuilder, RunContext, RunEvent } from '../../../src/engine/ports.ts'
import type { Plan } from '../../../src/plan/types.ts'

/** A run's context that keeps what it is told. */
export function contextOf(
  plan: Plan,
  values: Record<string, string> = {},
): RunContext & { events: RunEvent[]; steps: string[]; stop(): void } {
  const events: RunEvent[] = []
  const steps: string[] = []
  const abort = new AbortController()
  return {
    runId: `${plan.workspace.name}-00000000`,
    runDir: '/nowhere',
    signal: abort.signal,
    secretValue: (variable) => values[variable],
    environment: process.env,
    async step(name, work) {
      const notes: string[] = []
      const result = await work({ progress() {}, note: (text) => notes.push(text) })
      steps.push([name, ...notes].join(': '))
      return result
    },
    emit: (event) => events.push(event),
    events,
    steps,
    stop: () => abort.abort(),
  }
}

/** Nothing is built in these tests: images are references. */
export const references: ImageBuilder = {
  async name(image) {
    if (image.source.kind !== 'reference') throw new Error('only references here')
    return { reference: image.source.image, isBuilt: true }
  },
  async ensure(image) {
    if (image.source.kind !== 'reference') throw new Error('only references here')
    return { reference: image.source.image, cached: true }
  },
}

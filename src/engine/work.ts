import { interruption } from './queue.ts'
import { createSteps, type Steps } from './steps.ts'
import type { Ask } from './parts.ts'
import type { Workshop } from './workshop.ts'
import type { RunContext, RunEvent } from './ports.ts'
import type { Run } from './run.ts'

/** One operation in progress: its steps, its signal, and what its caller hears. */
export interface Work {
  steps: Steps
  /** Others worked on the workspace between the asking and now. */
  hasWaited: boolean
  /** Aborted only while the operation lasts: what a runtime keeps watching afterwards outlives its caller. */
  signal: AbortSignal
  context(run: Run, environment: NodeJS.ProcessEnv): RunContext
}

/** Steps, `shiv`'s own log lines and what matters of health; the rest is for `logs`. */
function matters(event: RunEvent): boolean {
  return event.kind === 'health' || event.kind === 'warning' || (event.kind === 'log' && event.line.source === 'shiv')
}

/** Queues `operate` under the workspace's root, tells the caller who is ahead, and turns whatever an abort caused into INTERRUPTED. */
export async function operate<T>(shop: Workshop, root: string, ask: Ask, operation: (work: Work) => Promise<T>): Promise<T> {
  let hasWaited = false
  const onWaiting = (behind: Ask['by']): void => {
    hasWaited = true
    void ask.emit({ kind: 'waiting', behind })
  }
  return shop.queue.run(root, { by: ask.by, signal: ask.signal, onWaiting }, async () => {
    const controller = new AbortController()
    const abort = (): void => controller.abort()
    ask.signal.addEventListener('abort', abort, { once: true })
    if (ask.signal.aborted) abort()
    const steps = createSteps((step) => void ask.emit({ kind: 'step', step: shop.parts.redactor.deep(step) }))
    const unlisten: (() => void)[] = []
    try {
      return await operation({
        steps,
        hasWaited,
        signal: controller.signal,
        context(run, environment) {
          unlisten.push(run.listen((event) => matters(event) && void ask.emit(shop.parts.redactor.deep(event))))
          return run.context({ signal: controller.signal, environment, step: steps.step })
        },
      })
    } catch (error) {
      throw controller.signal.aborted ? interruption(error) : error
    } finally {
      ask.signal.removeEventListener('abort', abort)
      for (const stop of unlisten) stop()
    }
  })
}

/** A context for what nobody waits for: its steps are not told. */
export function quietContext(run: Run, signal: AbortSignal, environment: NodeJS.ProcessEnv = process.env): RunContext {
  return run.context({ signal, environment, step: createSteps(() => {}).step })
}

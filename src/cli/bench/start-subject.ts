import type { Variant } from '../../bench/experiment.ts'
import type { StartResult } from '../../wire/messages.ts'
import { collectSpans } from './daemon-spans.ts'
import type { Stage } from './stage.ts'

/** How a start finds the world. Images are built and dependencies installed in each; what a build costs is a measure of its own. */
export const STARTS = ['start.cold', 'start.warm', 'start.no-change'] as const

/** The starts of a stage's services: without daemon and data, with data and everything stopped, and with everything running. */
export function startVariants(stage: Stage, of: string, services: string[]): Variant[] {
  const start = (signal: AbortSignal, before: string) => timedStart(stage, services, signal, before)
  const stop = async (purge: boolean, signal: AbortSignal) => {
    await stage.call({ method: 'stop', params: { path: stage.root, services: [], purge } }, { signal })
  }
  const common = { of, side: stage.side }
  return [
    {
      ...common,
      measure: 'start.cold',
      async prepare(signal) {
        await stop(true, signal)
        await stage.endDaemon()
      },
      take: (signal) => start(signal, 'daemon'),
    },
    {
      ...common,
      measure: 'start.warm',
      async prepare(signal) {
        await start(signal, 'request')
        await stop(false, signal)
      },
      take: (signal) => start(signal, 'request'),
    },
    {
      ...common,
      measure: 'start.no-change',
      async prepare(signal) {
        await start(signal, 'request')
      },
      take: (signal) => start(signal, 'request'),
    },
  ]
}

/** One start, from asking to the answer that everything is served. */
export async function timedStart(stage: Stage, services: string[], signal: AbortSignal, before = 'request') {
  const collector = collectSpans()
  const began = performance.now()
  await stage.call<StartResult>({ method: 'start', params: stage.ask(services) }, { signal, onEvent: collector.onEvent })
  const ms = performance.now() - began
  return { ms, spans: collector.spans(before) }
}

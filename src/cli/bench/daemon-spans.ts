import type { Span } from '../../bench/samples.ts'
import type { StepEvent, WireEvent } from '../../wire/messages.ts'

/** Gathers the steps of a request as spans from the moment of asking. */
export interface SpanCollector {
  onEvent(event: WireEvent): void
  /** `before` names what passed until the daemon began. */
  spans(before: string): Span[]
}

export function collectSpans(): SpanCollector {
  const began = performance.now()
  const steps = new Map<number, StepEvent>()
  /** How far the daemon's clock of this request is behind ours: the least that was seen, since a late event says nothing. */
  let offset: number | undefined
  return {
    onEvent(event) {
      if (event.kind !== 'step') return
      const { step } = event
      if (step.state === 'running' && !steps.has(step.id)) {
        const behind = performance.now() - began - step.startedMs
        offset = Math.min(offset ?? behind, behind)
      }
      steps.set(step.id, step)
    },
    spans(before) {
      const start = Math.max(0, offset ?? 0)
      const all = [...steps.values()].map((step): Span => ({
        name: pathOf(step, steps),
        startMs: start + step.startedMs,
        ms: step.durationMs ?? 0,
      }))
      return [{ name: before, startMs: 0, ms: start }, ...all]
    },
  }
}

function pathOf(step: StepEvent, steps: ReadonlyMap<number, StepEvent>): string {
  const parent = step.parent === undefined ? undefined : steps.get(step.parent)
  return parent ? `${pathOf(parent, steps)} › ${step.name}` : step.name
}

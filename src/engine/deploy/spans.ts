import type { RunContext, Step } from '../ports.ts'
import type { Span } from './release.ts'

/** Times the parts of a release and shows them as steps. */
export interface Stopwatch {
  /** Runs `work` as a span; `name` is stable, `title` is what people read. */
  time<T>(name: string, title: string, work: (step: Step) => Promise<T>, parent?: string): Promise<T>
  /** Notes a span that was measured elsewhere, offsets in milliseconds. */
  add(span: Span): void
  /** Milliseconds since the beginning. */
  now(): number
  spans(): Span[]
}

/** Measures from `began` (of `performance.now`), the moment that the release's own `startedAt` names. */
export function createStopwatch(step: RunContext['step'], began: number): Stopwatch {
  const spans: Span[] = []
  const now = (): number => performance.now() - began
  return {
    now,
    spans: () => spans.toSorted((a, b) => a.startMs - b.startMs),
    add: (span) => void spans.push(span),
    async time(name, title, work, parent) {
      const startMs = now()
      try {
        return await step(title, work)
      } finally {
        spans.push({ name, ...(parent !== undefined && { parent }), startMs, durationMs: now() - startMs })
      }
    },
  }
}

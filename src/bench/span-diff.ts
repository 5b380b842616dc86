import type { Sample } from './samples.ts'
import { median } from './statistics.ts'

/** A span of two sides: its part in the median sample, milliseconds. Absent on a side: 0. */
export interface SpanChange {
  name: string
  ms: number
  baseMs: number
  deltaMs: number
}

/**
 * Which spans grew or shrank between two sides, the largest change first: medians over the samples of a side of what a span took in
 * each, where a sample without it counts 0. A parent is left out where one child has its whole change, so that what is named is the innermost span that moved.
 */
export function changedSpans(samples: readonly Sample[], base: readonly Sample[]): SpanChange[] {
  const [now, before] = [spanMedians(samples), spanMedians(base)]
  const changes = [...new Set([...now.keys(), ...before.keys()])].map((name): SpanChange => {
    const [ms, baseMs] = [now.get(name) ?? 0, before.get(name) ?? 0]
    return { name, ms, baseMs, deltaMs: ms - baseMs }
  })
  return changes
    .filter(({ name, deltaMs }) => !changes.some((child) => isExplained(name, deltaMs, child)))
    .sort((a, b) => Math.abs(b.deltaMs) - Math.abs(a.deltaMs))
}

/** What each span takes in the median sample, by name. */
export function spanMedians(samples: readonly Sample[]): Map<string, number> {
  const names = new Set(samples.flatMap(({ spans }) => spans.map(({ name }) => name)))
  return new Map(
    [...names].map((name) => [
      name,
      median(samples.map(({ spans }) => spans.reduce((sum, span) => (span.name === name ? sum + span.ms : sum), 0))),
    ]),
  )
}

function isExplained(parent: string, deltaMs: number, child: SpanChange): boolean {
  return (
    child.name.startsWith(`${parent} › `) &&
    Math.sign(child.deltaMs) === Math.sign(deltaMs) &&
    Math.abs(child.deltaMs) >= 0.8 * Math.abs(deltaMs)
  )
}

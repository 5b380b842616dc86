import { CI_MEASURES, type CiMeasure } from './gates.ts'
import type { Stage } from './report.ts'

/** What of the stages is a measure; of those that passed alone, since others took another time. */
export function stageFigures(stages: readonly Stage[]): Partial<Record<CiMeasure, number>> {
  const figures: Partial<Record<CiMeasure, number>> = {}
  for (const stage of stages) {
    const measure = CI_MEASURES.find((one) => one === `ci.${stage.name}`)
    if (measure === undefined || stage.state !== 'passed') continue
    figures[measure] = (figures[measure] ?? 0) + stage.ms
    if (stage.name === 'start') figures['ci.build'] = buildTime(stage)
  }
  return figures
}

/** Steps of a start: `image orders` on kind, `orders: npm ci` as processes. */
const BUILDING = /^(image \S+|[a-z0-9-]+: .+)$/

/** Milliseconds in which at least one image was made or one service prepared. */
export function buildTime({ spans }: Pick<Stage, 'spans'>): number {
  const intervals = spans
    .filter(({ name }) => BUILDING.test(name.split(' › ').at(-1) ?? ''))
    .map(({ startMs, ms }) => [startMs, startMs + ms] as const)
    .sort((a, b) => a[0] - b[0])
  let [total, until] = [0, Number.NEGATIVE_INFINITY]
  for (const [from, to] of intervals) {
    total += Math.max(0, to - Math.max(from, until))
    until = Math.max(until, to)
  }
  return total
}

/** The stages that were gone through, as one word: `start+test+deploy`. */
export function stagesDone(stages: readonly Stage[]): string {
  return [...new Set(stages.filter(({ state }) => state === 'passed').map(({ name }) => name))].join('+')
}

/**
 * What a figure is of, so that like is compared with like: the services, and for what the whole run took also which stages it had. A run of one service
 * says nothing of a run of all.
 */
export function subjectOf(measure: CiMeasure, services: readonly string[], done: string): string {
  const who = [...services].sort().join('+')
  return measure === 'ci.total' || measure === 'ci.lead' ? `${who} (${done})` : who
}

import { runExperiment, type Limits, type Variant } from '../../bench/experiment.ts'
import { nameOf, type Series } from '../../bench/samples.ts'

export const MEASURES = [
  'loop',
  'start.no-change',
  'start.warm',
  'start.cold',
  'build.no-change',
  'build.file',
  'build.dependency',
  'build.scratch',
] as const

/** Those of `start`, `build`, `loop` or `all`. */
export function measuresOf(what: string): string[] {
  return MEASURES.filter((measure) => what === 'all' || measure === what || measure.startsWith(`${what}.`))
}

/** What the user allows; absent: as much as the measure usually needs. */
export interface Allowance {
  budgetMs?: number
  runs?: number
}

/** Of the budget when none is named: so much that a loop's 5 % are told on a calm machine, and a few of what takes minutes. */
const USUAL_MS = { alone: 60_000, compared: 180_000 }
const MOST_RUNS = 500
/** Half an interval, as a part. Its standard error is then 1.02 %, so that a difference of 5 % lies beyond the 2.58 errors that a verdict asks for 98 times in 100. */
const PRECISION = 0.02

/** Tells what is being measured, on stderr. */
export interface Teller {
  begin(name: string): void
  sampled(count: number, ms: number): void
  end(series: Series[]): void
}

/**
 * Measures one thing after the other, each in an experiment of its own whose variants are its sides. Of a budget each takes its share of
 * what is left. After an interruption nothing more begins.
 */
export async function takeMeasures(
  groups: readonly Variant[][],
  allowance: Allowance,
  { signal, teller }: { signal: AbortSignal; teller: Teller },
): Promise<Series[]> {
  const deadline = allowance.budgetMs === undefined ? undefined : performance.now() + allowance.budgetMs
  const all: Series[] = []
  for (const [index, variants] of groups.entries()) {
    const [first] = variants
    if (first === undefined || signal.aborted) break
    const share = deadline === undefined ? undefined : Math.max(0, deadline - performance.now()) / (groups.length - index)
    teller.begin(nameOf(first))
    let count = 0
    const series = await runExperiment(variants, limitsOf(first.measure, variants.length, allowance.runs, share), {
      signal,
      observer: {
        sampled: (_, { ms }, block) => {
          if (block >= 0) teller.sampled((count += 1), ms)
        },
      },
    })
    teller.end(series)
    all.push(...series)
  }
  return all
}

function limitsOf(measure: string, sides: number, runs: number | undefined, share: number | undefined): Limits {
  const isLoop = measure === 'loop'
  return {
    warmUps: isLoop ? 3 : 1,
    leastRuns: runs ?? (isLoop ? 20 : 8),
    mostRuns: runs ?? MOST_RUNS,
    budgetMs: share ?? (runs === undefined ? (sides > 1 ? USUAL_MS.compared : USUAL_MS.alone) : Number.POSITIVE_INFINITY),
    precision: PRECISION,
    seed: Date.now() >>> 0,
  }
}

/** Variants of the sides side by side: one group for each measure that all sides have. */
export function grouped(sides: readonly Variant[][]): Variant[][] {
  const [first = [], ...others] = sides
  return first.flatMap((variant) => {
    const same = others.map((side) => side.find((one) => nameOf(one) === nameOf(variant)))
    return same.every((one) => one !== undefined) ? [[variant, ...same]] : []
  })
}

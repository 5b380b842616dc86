import { setImmediate as nextTurn } from 'node:timers/promises'
import { hodgesLehmannRatio } from './effect.ts'
import { mulberry32, shuffled } from './random.ts'
import { valuesOf, type MeasureName, type Sample, type Series, type Span } from './samples.ts'
import { median, quantileInterval } from './statistics.ts'
import { strataOf } from './strata.ts'

/** One measure on one side: what an experiment takes samples of. */
export interface Variant extends MeasureName {
  side: string
  /** Brings about the state that a sample begins in; not measured. */
  prepare?(signal: AbortSignal): Promise<void>
  /** One measurement. */
  take(signal: AbortSignal): Promise<Taken>
}

export interface Taken {
  ms: number
  spans: Span[]
  remarks?: string[]
}

export interface Limits {
  /** Uncounted samples of each variant. */
  warmUps: number
  /** Samples of a variant at least, unless the budget ends before. */
  leastRuns: number
  mostRuns: number
  /** For the whole measure, its warm-ups too. */
  budgetMs: number
  /** Half of the interval's width as a part of the estimate at which a measure is tight: 0.025. */
  precision: number
  /** Of the order of variants. */
  seed: number
}

export interface Clocks {
  /** Monotonic milliseconds. */
  now(): number
  /** Epoch milliseconds of the wall clock. */
  wall(): number
}

export interface Observer {
  /** A sample was taken; `index` is below 0 for warm-ups. */
  sampled?(variant: Variant, sample: Sample, index: number): void
}

export const realClocks: Clocks = { now: () => performance.now(), wall: () => Date.now() }

/** A step of the wall clock below this is the clock's own steering. */
const LEAST_STEP_MS = 100

/**
 * Measures the sides of one measure in blocks: every block takes each variant once, in an order of its own, so that what the machine does
 * meanwhile meets all of them alike. Ends when the interval is tight, at the limits, at a failure, or when `signal` aborts; what was
 * taken until then is returned in each case. Never throws what a variant throws: it is the series' `failure`.
 */
export async function runExperiment(
  variants: readonly Variant[],
  limits: Limits,
  { clocks = realClocks, signal, observer = {} }: { clocks?: Clocks; signal: AbortSignal; observer?: Observer },
): Promise<Series[]> {
  const random = mulberry32(limits.seed)
  const series = variants.map(({ measure, of, side }): Series => ({ measure, of, side, samples: [], warmUps: 0, ended: 'runs' }))
  const began = clocks.now()
  const end = (why: Series['ended']): Series[] => {
    for (const one of series) one.ended = why
    return series
  }
  for (let block = -limits.warmUps; block < limits.mostRuns; block += 1) {
    // Whole blocks only: a side that was measured more often would have met other weather.
    const taken: { one: Series; sample: Sample }[] = []
    for (const index of shuffled([...variants.keys()], random)) {
      const [variant, one] = [variants[index]!, series[index]!]
      if (signal.aborted) return end('interrupted')
      try {
        await variant.prepare?.(signal)
        const sample = await measure(variant, clocks, signal)
        taken.push({ one, sample })
        observer.sampled?.(variant, sample, block)
      } catch (error) {
        if (signal.aborted) return end('interrupted')
        one.failure = error instanceof Error ? error.message : String(error)
        return end('failed')
      }
    }
    for (const { one, sample } of taken) {
      if (block < 0) one.warmUps += 1
      else one.samples.push(sample)
    }
    const runs = block + 1
    if (runs >= limits.leastRuns && isLookedAt(runs) && isTight(series, limits.precision)) return end('tight')
    if (clocks.now() - began >= limits.budgetMs && runs >= 1) return end('budget')
  }
  return end('runs')
}

async function measure(variant: Variant, clocks: Clocks, signal: AbortSignal): Promise<Sample> {
  const [at, began] = [clocks.wall(), clocks.now()]
  const { ms, spans, remarks } = await variant.take(signal)
  const step = clocks.wall() - at - (clocks.now() - began)
  return {
    ms,
    at,
    spans,
    ...(remarks !== undefined && remarks.length > 0 && { remarks }),
    ...(Math.abs(step) >= LEAST_STEP_MS && { clockStepMs: step }),
  }
}

/** Intervals of many samples take their time, and looking at every block would find a lucky one. */
function isLookedAt(runs: number): boolean {
  return runs <= 10 || runs % Math.ceil(runs / 10) === 0
}

/** Of one side the interval of its median; of two that of their ratio, which is what is asked. */
function isTight(series: readonly Series[], precision: number): boolean {
  const [first, ...others] = series
  if (first === undefined) return true
  const values = valuesOf(first)
  if (others.length === 0) {
    const interval = quantileInterval(values, 0.5)
    return interval !== undefined && (interval.high - interval.low) / 2 <= precision * median(values)
  }
  return others.every((other) => {
    const { value, interval } = hodgesLehmannRatio(strataOf(values, valuesOf(other)))
    return interval !== undefined && (interval.high - interval.low) / 2 <= precision * value
  })
}

/** What the harness itself adds to a sample: the median of `runs` samples of nothing but the turn of the event loop in which an answer is heard, milliseconds. */
export async function harnessCost(runs = 200, clocks: Clocks = realClocks): Promise<number> {
  const nothing: Variant = {
    measure: 'nothing',
    of: 'harness',
    side: 'here',
    take: async () => {
      const began = clocks.now()
      await nextTurn()
      return { ms: clocks.now() - began, spans: [] }
    },
  }
  const { signal } = new AbortController()
  const limits = { warmUps: 10, leastRuns: runs, mostRuns: runs, budgetMs: 1_000, precision: 0, seed: 1 }
  const [series] = await runExperiment([nothing], limits, { clocks, signal })
  return median(valuesOf(series!))
}

import { hodgesLehmannRatio, type RatioEstimate } from './effect.ts'
import { holm, nullDistribution, rankTest } from './rank-tests.ts'
import { nameOf, valuesOf, type MeasureName, type Series } from './samples.ts'
import { changedSpans, type SpanChange } from './span-diff.ts'
import { bootstrapRatio, type Estimate } from './statistics.ts'
import { strataOf, type Stratum } from './strata.ts'

export type Verdict = 'faster' | 'slower' | 'same' | 'cannot tell'

/** One measure of two sides. Ratios are of the side over its base: 1.05 is 5 % slower. */
export interface Comparison extends MeasureName {
  side: string
  base: string
  verdict: Verdict
  /** In a sentence: what the verdict stands on, or what it lacks. */
  why: string
  /** Of a sample of one side over one of the other, see `hodgesLehmannRatio`. */
  ratio: RatioEstimate
  p50: Estimate
  p95: Estimate
  /** Of the rank test; `corrected` for all measures that were compared with this one. */
  p: number
  corrected: number
  /** Whether both sides were taken in one run, in turn. */
  isInterleaved: boolean
  /** There are enough samples, and nothing keeps these two from being compared. */
  isComparable: boolean
  /** By how much spans grew or shrank, the largest change first. */
  spans: SpanChange[]
}

/** Sides whose ratio lies in ±5 % are called the same. */
export const SAME_WITHIN = 0.05
/** A difference below 1 % is called none, however sure it is. */
const WORTH_NAMING = 0.01
/** Of a verdict "slower" or "faster", below the 5 % of the interval beside it: at 5 %, one run in twenty of the same code would raise an alarm. */
const ALPHA = 0.01

export interface Pair {
  side: Series
  base: Series
  isInterleaved: boolean
  /** Why these two must not be compared; the verdict is then `cannot tell`. */
  obstacle?: string
}

/** Compares measures of two sides; the test's p-values are corrected for their number (Holm). Pairs without samples on a side are left out. */
export function compare(pairs: readonly Pair[]): Comparison[] {
  const usable = pairs
    .filter(({ side, base }) => side.samples.length > 0 && base.samples.length > 0)
    .map((pair) => ({ ...pair, strata: strataOfPair(pair) }))
  const tests = usable.map(({ strata }) => rankTest(strata).p)
  const corrected = holm(tests)
  return usable.map(({ side, base, isInterleaved, obstacle, strata }, index) => {
    const [values, baseline] = [valuesOf(side), valuesOf(base)]
    const ratio = hodgesLehmannRatio(strata)
    const leastP = 2 * (nullDistribution(strata)?.[0] ?? 0) * usable.length
    const judged =
      obstacle === undefined ? judge(ratio, corrected[index]!, leastP) : ({ verdict: 'cannot tell', why: obstacle } as const)
    return {
      measure: side.measure,
      of: side.of,
      side: side.side,
      base: base.side,
      ...judged,
      ratio,
      p50: bootstrapRatio(values, baseline, 0.5, { isPaired: isInterleaved }),
      p95: bootstrapRatio(values, baseline, 0.95, { isPaired: isInterleaved }),
      p: tests[index]!,
      corrected: corrected[index]!,
      isInterleaved,
      isComparable: obstacle === undefined && ratio.interval !== undefined,
      spans: changedSpans(side.samples, base.samples),
    }
  })
}

/** Sides that were taken in turn are compared with what was taken beside them; others all with all. */
function strataOfPair({ side, base, isInterleaved }: Pair): Stratum[] {
  const [samples, baseline] = [valuesOf(side), valuesOf(base)]
  return isInterleaved ? strataOf(samples, baseline) : [{ samples, baseline }]
}

/**
 * "Same" needs evidence as much as "slower" does: an interval that lies within ±5 %. Without either, nobody can tell. `leastP` is what the test would
 * give at best, were all samples of one side above all of the other.
 */
export function judge({ value, interval }: RatioEstimate, p: number, leastP = 0): { verdict: Verdict; why: string } {
  if (interval === undefined) return { verdict: 'cannot tell', why: 'too few samples for an interval: raise --runs or --budget' }
  const range = `${percent(interval.low)} and ${percent(interval.high)}`
  const isDifferent = p <= ALPHA && (interval.low > 1 || interval.high < 1)
  if (isDifferent && Math.abs(value - 1) >= WORTH_NAMING) {
    return { verdict: value > 1 ? 'slower' : 'faster', why: `${percent(value)}, between ${range}` }
  }
  if (interval.low >= 1 - SAME_WITHIN && interval.high <= 1 + SAME_WITHIN) return { verdict: 'same', why: `between ${range}` }
  if (leastP > ALPHA) return { verdict: 'cannot tell', why: `too few samples for a verdict (${range}): raise --runs or --budget` }
  return { verdict: 'cannot tell', why: `anything between ${range} fits what was measured` }
}

/** The spans that moved as the verdict says, the largest change first; none where it says that nothing moved. */
export function movedSpans({ verdict, spans }: Pick<Comparison, 'verdict' | 'spans'>): SpanChange[] {
  if (verdict !== 'slower' && verdict !== 'faster') return []
  return spans.filter(({ deltaMs }) => Math.sign(deltaMs) === (verdict === 'slower' ? 1 : -1))
}

/** A ratio as people say it: `+5.2 %`. */
export function percent(ratio: number): string {
  const value = (ratio - 1) * 100
  const digits = Math.abs(value) < 9.95 ? 1 : 0
  return `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(digits)} %`
}

/** Pairs every series of one side with the base's of the same measure. */
export function pairsOf(
  series: readonly Series[],
  sides: { side: string; base: string },
  isInterleaved: boolean,
  obstacle?: string,
): Pair[] {
  const bases = new Map(series.filter(({ side }) => side === sides.base).map((one) => [nameOf(one), one]))
  return series.flatMap((one) => {
    const base = bases.get(nameOf(one))
    if (one.side !== sides.side || base === undefined) return []
    return [{ side: one, base, isInterleaved, ...(obstacle !== undefined && { obstacle }) }]
  })
}

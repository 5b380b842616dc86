import { ShivError } from '../core/errors.ts'
import type { Comparison } from './compare.ts'
import { percent } from './compare.ts'
import { nameOf, valuesOf, type Series } from './samples.ts'
import { bootstrap, quantileRanks } from './statistics.ts'

/** A line that a measure must not cross: `loop.p50=+10%` against the base, `start.warm.p95=3s` against nothing. */
export interface Gate {
  /** As it was written. */
  text: string
  measure: string
  statistic: 'p50' | 'p95'
  limit: { kind: 'ratio'; most: number } | { kind: 'time'; mostMs: number }
}

export interface GateVerdict {
  gate: string
  /** The measure and what it is of. */
  name: string
  /** `unproven`: the interval lies on both sides of the limit, so it is no failure. */
  state: 'failed' | 'passed' | 'unproven'
  why: string
}

/** Reads `MEASURE.p50=+10%`, `MEASURE.p95=250ms`. Throws BENCH_GATE. */
export function parseGate(text: string, measures: readonly string[]): Gate {
  const [, measure = '', statistic = '', limit = ''] = /^([a-z.-]+)\.(p50|p95)=(.+)$/.exec(text) ?? []
  const read = parseLimit(limit, { ms: 1, s: 1_000, m: 60_000 })
  const isKnown = measures.includes(measure)
  if (!isKnown || read === undefined) {
    const why = isKnown ? `: ${limit} is no limit` : measure === '' ? '' : `: ${measure} is not measured here`
    throw new ShivError(`${text} is no gate${why}.`, {
      code: 'BENCH_GATE',
      exit: 2,
      hint: `write --gate loop.p50=+10% or --gate start.warm.p95=3s; measures are ${measures.join(', ')}`,
    })
  }
  return { text, measure, statistic: statistic as Gate['statistic'], limit: read }
}

/** Reads `+10%` as a ratio, `250ms` as a time in one of the units (milliseconds of each); undefined for anything else. */
export function parseLimit(text: string, units: Readonly<Record<string, number>>): Gate['limit'] | undefined {
  const [, ratio] = /^\+(\d+(?:\.\d+)?)%$/.exec(text) ?? []
  if (ratio !== undefined) return { kind: 'ratio', most: 1 + Number(ratio) / 100 }
  const [, amount, unit = ''] = /^(\d+(?:\.\d+)?)([a-z]+)$/.exec(text) ?? []
  return Object.hasOwn(units, unit) ? { kind: 'time', mostMs: Number(amount) * units[unit]! } : undefined
}

/** Judges a gate on every measure that it names. It fails only where the whole interval is beyond the limit. */
export function judgeGate(gate: Gate, series: readonly Series[], comparisons: readonly Comparison[]): GateVerdict[] {
  const judged = judgeEach(gate, series, comparisons)
  if (judged.length > 0) return judged
  const isThere = series.some(({ measure, samples }) => measure === gate.measure && samples.length > 0)
  const why = isThere ? 'there is nothing to compare it with' : 'it was not measured'
  return [{ gate: gate.text, name: gate.measure, state: 'unproven', why }]
}

function judgeEach(gate: Gate, series: readonly Series[], comparisons: readonly Comparison[]): GateVerdict[] {
  const { limit, statistic } = gate
  if (limit.kind === 'ratio') {
    return comparisons
      .filter(({ measure }) => measure === gate.measure)
      .map((comparison) => {
        const estimate = comparison[statistic]
        const name = nameOf(comparison)
        const said = `${percent(estimate.value)}, between ${percent(estimate.low)} and ${percent(estimate.high)}`
        const isEnough = comparison.isComparable && hasEnough(estimate.count, statistic)
        return verdict(gate, name, isEnough ? estimate : undefined, limit.most, comparison.isComparable ? said : comparison.why)
      })
  }
  return series
    .filter(({ measure, samples }) => measure === gate.measure && samples.length > 0)
    .map((one) => {
      const values = valuesOf(one)
      const estimate = bootstrap(values, statistic === 'p50' ? 0.5 : 0.95)
      const said = `${estimate.value.toFixed(1)} ms, between ${estimate.low.toFixed(1)} and ${estimate.high.toFixed(1)} ms`
      return verdict(
        gate,
        `${nameOf(one)} (${one.side})`,
        hasEnough(values.length, statistic) ? estimate : undefined,
        limit.mostMs,
        said,
      )
    })
}

/** Below these no order statistic bounds the quantile from above: a resample never holds what was not seen. */
function hasEnough(count: number, statistic: Gate['statistic']): boolean {
  return quantileRanks(count, statistic === 'p50' ? 0.5 : 0.95) !== undefined
}

function verdict(
  gate: Gate,
  name: string,
  interval: { low: number; high: number } | undefined,
  most: number,
  said: string,
): GateVerdict {
  if (interval !== undefined && interval.low > most) return { gate: gate.text, name, state: 'failed', why: said }
  if (interval !== undefined && interval.high <= most) return { gate: gate.text, name, state: 'passed', why: said }
  return { gate: gate.text, name, state: 'unproven', why: said }
}

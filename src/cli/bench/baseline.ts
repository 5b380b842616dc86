import { readFile } from 'node:fs/promises'
import { pairsOf, type Pair } from '../../bench/compare.ts'
import { parseHistory, type HistoryEntry } from '../../bench/history.ts'
import { changedFacts, classDifferences, type MachineFacts } from '../../bench/machine.ts'
import { entryOf, type BenchReport, type Side } from '../../bench/report.ts'
import { nameOf, type Series } from '../../bench/samples.ts'
import { ShivError } from '../../core/errors.ts'

/** Figures of before that are held against new ones. */
export interface Baseline {
  side: Side
  runtime: string
  machine: MachineFacts & { class: string }
  series: Series[]
}

/** Reads a report of `shiv bench --json`, or the last run of a history file. Throws BENCH_BASELINE. */
export async function readBaseline(path: string, name: string): Promise<Baseline> {
  const text = await readFile(path, 'utf8')
  const report = parseReport(text)
  if (report) return fromReport(report, name)
  const entry = parseHistory(text).entries.at(-1)
  if (entry) return fromEntry(entry, name)
  throw new ShivError(`${name} is no report of a bench, or its end is missing.`, {
    code: 'BENCH_BASELINE',
    exit: 2,
    hint: 'make one with: shiv bench --json > before.json',
  })
}

function parseReport(text: string): BenchReport | undefined {
  try {
    const value = JSON.parse(text) as Partial<BenchReport> | null
    const isReport = value?.kind === 'bench' && value.version === 1 && Array.isArray(value.series) && Array.isArray(value.sides)
    return isReport ? (value as BenchReport) : undefined
  } catch {
    return undefined // a history file is lines of JSON
  }
}

function fromReport(report: BenchReport, name: string): Baseline {
  const [first] = report.sides
  const { side, series } = entryOf(report, first?.name ?? '')
  return { side: { ...side, name }, runtime: report.runtime, machine: report.machine, series: named(series, name) }
}

export function fromEntry(entry: HistoryEntry, name: string): Baseline {
  const { side, runtime, machine, series } = entry
  return {
    side: { ...side, name },
    runtime,
    machine,
    series: named(
      series.map((one) => ({ ...one, side: name, warmUps: 0, ended: one.ended as Series['ended'] })),
      name,
    ),
  }
}

/** The last run in history of this workspace on this runtime. Throws BENCH_NO_HISTORY. */
export function lastOf(entries: readonly HistoryEntry[], workspace: string, runtime: string): Baseline {
  const entry = entries.findLast(
    ({ series, ...one }) =>
      one.workspace === workspace &&
      one.runtime === runtime &&
      !one.isInterrupted &&
      !one.isBase &&
      series.some(({ measure }) => !measure.startsWith('ci.')),
  )
  if (entry) return fromEntry(entry, 'last')
  throw new ShivError(`History has no run of ${workspace} on ${runtime} with a machine like this one.`, {
    code: 'BENCH_NO_HISTORY',
    exit: 2,
    hint: 'shiv bench keeps every run; shiv bench history shows those that there are',
  })
}

/** Pairs new figures with a baseline's; unlike is not compared with like, and what has changed on the machine is named. */
export function pairWith(
  baseline: Baseline,
  series: readonly Series[],
  { machine, runtime, side }: { machine: MachineFacts & { class: string }; runtime: string; side: string },
): { pairs: Pair[]; remarks: string[] } {
  const differences = classDifferences(machine, baseline.machine)
  const obstacle =
    differences.length > 0
      ? `${baseline.side.name} was measured on another machine: ${differences.join('; ')}`
      : baseline.runtime !== runtime
        ? `${baseline.side.name} was measured on ${baseline.runtime}, not on ${runtime}`
        : undefined
  const then = new Date(baseline.side.measuredAt).toISOString().slice(0, 16).replace('T', ' ')
  const changed = obstacle === undefined ? changedFacts(machine, baseline.machine) : []
  const known = new Set(baseline.series.map(nameOf))
  const without = series.filter((one) => one.side === side && !known.has(nameOf(one))).map(nameOf)
  return {
    pairs: pairsOf([...series, ...baseline.series], { side, base: baseline.side.name }, false, obstacle),
    remarks: [
      `${baseline.side.name} was measured at ${then} UTC and not in turn with this run: what else the machine did then and now is in the difference`,
      ...changed.map((fact) => `since ${baseline.side.name}, ${fact}`),
      ...(without.length > 0 ? [`${baseline.side.name} holds no ${without.join(', ')}: nothing to compare`] : []),
    ],
  }
}

function named(series: readonly Series[], name: string): Series[] {
  return series.map(({ measure, of, samples, warmUps, ended }) => ({ measure, of, samples, warmUps, ended, side: name }))
}

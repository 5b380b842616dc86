import { ShivError } from '../../core/errors.ts'
import { percent } from '../compare.ts'
import { parseLimit, type Gate, type GateVerdict } from '../gates.ts'
import type { HistoryEntry } from '../history.ts'
import { duration } from '../report/words.ts'
import { median } from '../statistics.ts'

/** Figures of a run of `shiv ci`, each one sample: `ci.build` is what of a start made images or installed packages. */
export const CI_MEASURES = ['ci.start', 'ci.build', 'ci.test', 'ci.deploy', 'ci.total', 'ci.lead'] as const
export type CiMeasure = (typeof CI_MEASURES)[number]

/** `ci.total=10m`, or `ci.build=+20%` against the runs of before. */
export interface CiGate {
  text: string
  measure: CiMeasure
  limit: Gate['limit']
}

const UNITS: Record<string, number> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }
/** Share of equal runs that a gate of a percentage may fail by chance. */
const ALPHA = 0.05
/** Runs of before that are looked at, the newest. */
const WINDOW = 100

/** Reads a gate of a run's own figures; undefined for another measure's. Throws BENCH_GATE. */
export function parseCiGate(text: string): CiGate | undefined {
  if (!text.startsWith('ci.')) return undefined
  const [, measure = '', limit = ''] = /^([a-z.]+)=(.+)$/.exec(text) ?? []
  const read = parseLimit(limit, UNITS)
  const known = CI_MEASURES.find((one) => one === measure)
  if (known === undefined || read === undefined) {
    throw new ShivError(known ? `${text} is no gate: ${limit} is no limit.` : `${text} is no gate.`, {
      code: 'BENCH_GATE',
      exit: 2,
      hint: `write --gate ci.total=10m or --gate ci.build=+20%; measures are ${CI_MEASURES.join(', ')}`,
    })
  }
  return { text, measure: known, limit: read }
}

/**
 * Judges one figure of this run. A time is passed or not. A percentage is of the median of the runs of before on machines of this class, and fails only on
 * evidence: were this run like those, its rank among them would be any of n + 1 with equal chance (a permutation test of one against n), so fewer
 * than 19 runs prove nothing at 5 %. `value` in milliseconds; undefined where it was not taken.
 */
export function judgeCiGate(gate: CiGate, value: number | undefined, before: readonly number[]): GateVerdict {
  const { text, measure, limit } = gate
  const verdict = (state: GateVerdict['state'], why: string): GateVerdict => ({ gate: text, name: measure, state, why })
  if (value === undefined) return verdict('unproven', 'it was not measured')
  if (limit.kind === 'time') return verdict(value > limit.mostMs ? 'failed' : 'passed', duration(value))
  if (before.length === 0) return verdict('unproven', 'history has no run like it with a machine like this one')
  const usual = median(before)
  if (usual <= 0) return verdict('unproven', `${duration(value)}; it usually takes no time at all, so nothing is a part of it`)
  const ratio = value / usual
  const p = (1 + before.filter((one) => one >= value).length) / (before.length + 1)
  const said = `${duration(value)}, ${percent(ratio)} against ${duration(usual)}, the median of ${before.length} runs`
  if (ratio <= limit.most) return verdict('passed', said)
  if (p <= ALPHA) return verdict('failed', `${said} (p = ${p.toPrecision(2)})`)
  const least = Math.ceil(1 / ALPHA) - 1
  return verdict(
    'unproven',
    before.length < least ? `${said}; fewer than ${least} runs prove nothing` : `${said} (p = ${p.toPrecision(2)})`,
  )
}

/** What a measure took in the runs of before, oldest first: of this workspace and runtime, in runs that came to their end. */
export function valuesBefore(
  entries: readonly HistoryEntry[],
  { measure, of, workspace, runtime }: { measure: string; of: string; workspace: string; runtime: string },
): number[] {
  return entries
    .filter((entry) => entry.workspace === workspace && entry.runtime === runtime && !entry.isBase && !entry.isInterrupted)
    .flatMap(({ series }) =>
      series.filter((one) => one.measure === measure && one.of === of).flatMap(({ samples }) => samples.map(({ ms }) => ms)),
    )
    .slice(-WINDOW)
}

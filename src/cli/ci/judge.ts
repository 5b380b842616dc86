import { subjectOf } from '../../bench/ci/figures.ts'
import { judgeCiGate, valuesBefore, type CiMeasure } from '../../bench/ci/gates.ts'
import { gatesOf, type CiReport } from '../../bench/ci/report.ts'
import type { GateVerdict } from '../../bench/gates.ts'
import type { HistoryEntry } from '../../bench/history.ts'
import { ShivError } from '../../core/errors.ts'
import type { CiWish } from './wish.ts'

/** Known when everything is over. The others stand before the deploy: one that fails lets nothing be deployed. */
export const LATE: ReadonlySet<CiMeasure> = new Set(['ci.deploy', 'ci.total', 'ci.lead'])

/** What figures are held against: runs of before that did the same. */
export interface JudgedAgainst {
  entries: readonly HistoryEntry[]
  runtime: string
  services: readonly string[]
}

/** The gates on the measures that are meant, judged on the figures of this run and on history. `done`: the stages that a whole run went through. */
export function verdicts(
  { gates, name }: CiWish,
  isMeant: (measure: CiMeasure) => boolean,
  figures: Partial<Record<CiMeasure, number | undefined>>,
  { entries, runtime, services }: JudgedAgainst,
  done: string,
): GateVerdict[] {
  return gates
    .filter(({ measure }) => isMeant(measure))
    .map((gate) => {
      const of = subjectOf(gate.measure, services, done)
      return judgeCiGate(
        gate,
        figures[gate.measure],
        valuesBefore(entries, { measure: gate.measure, of, workspace: name, runtime }),
      )
    })
}

/** What ends a run in which everything went well but its gates. */
export function gateError(report: CiReport): ShivError | undefined {
  if (report.isInterrupted) return new ShivError('shiv ci was interrupted.', { code: 'INTERRUPTED', exit: 130 })
  const failed = gatesOf(report).filter(({ state }) => state === 'failed')
  if (failed.length === 0) return undefined
  return new ShivError(
    `${failed.length === 1 ? 'A gate' : `${failed.length} gates`} failed: ${failed.map(({ gate }) => gate).join(', ')}.`,
    {
      code: 'CI_GATE',
      exit: 4,
      hint: 'the report says which span grew; a gate that asks too much is changed where shiv ci is called',
      evidence: failed.map(({ gate, name, why }) => `${gate}  ${name}: ${why}`),
    },
  )
}

import type { Absence, Fact, Plan, ReadingTarget, RuntimeQuestion, Substitution } from './types.ts'

export interface Draft {
  id: string
  subject: string
  title: string
  production: string
  weight: number
  /** What it is here when nothing was recorded; production's when absent. */
  local?: string
  reading?: ReadingTarget
  /** The id it was recorded under, where that is another. */
  recordedAs?: string
}

/** A fact whose verdict is what `localise` recorded under its id; same, or the environment's own, when it recorded nothing. */
export function draftFact(local: Plan, draft: Draft): Fact {
  const { recordedAs, local: here = draft.production, ...rest } = draft
  const recorded = findRecorded(local, recordedAs ?? draft.id)
  if (recorded && 'local' in recorded) return { ...rest, local: recorded.local, verdict: 'substituted', why: recorded.why }
  if (recorded) return { ...rest, local: undefined, verdict: 'absent', why: recorded.why }
  if (here === draft.production) return { ...rest, local: here, verdict: 'same' }
  return { ...rest, local: here, verdict: 'substituted', why: `the environment ${local.environment} says so` }
}

function findRecorded(local: Plan, id: string): Substitution | Absence | undefined {
  return local.absences?.find((entry) => entry.id === id) ?? local.substitutions.find((entry) => entry.id === id)
}

/** The reading of a question that is put to the runtime. */
export function ask(question: RuntimeQuestion, expect: unknown): { reading: ReadingTarget } {
  return { reading: { kind: 'runtime', question, expect } }
}

import type { Fact, ParityReport, VerifiedFact } from './types.ts'

/** 100 × Σ weight·value ÷ Σ weight, to one decimal; value 1 for same, ½ for substituted, 0 for absent and for drifted. 100 when there is nothing to weigh. */
export function scoreParity(facts: (Fact | VerifiedFact)[]): number {
  const total = facts.reduce((sum, fact) => sum + fact.weight, 0)
  if (total === 0) return 100
  const kept = facts.reduce((sum, fact) => sum + fact.weight * valueOf(fact), 0)
  return Math.round((1000 * kept) / total) / 10
}

/** Facts and score as `shiv parity` gives them; verified when the live world was asked for at least one. */
export function parityReport(facts: VerifiedFact[]): ParityReport {
  const verified = facts.some((fact) => fact.live !== undefined && fact.live.verdict !== 'unreadable')
  return { version: 1, facts, score: scoreParity(facts), verified }
}

function valueOf(fact: Fact | VerifiedFact): number {
  if ('live' in fact && fact.live?.verdict === 'drifted') return 0
  return { same: 1, substituted: 0.5, absent: 0 }[fact.verdict]
}

import type { Plan } from './types.ts'

export interface Explanation {
  verdict: 'substituted' | 'absent'
  why: string
  local?: string
}

/**
 * Why the local Plan differs at a place of an object (`Kind/name/json/pointer`): the recorded substitution or absence that
 * touches it or something inside it most closely, else a patch, else the environment's own overrides.
 */
export function explain(place: string, production: Plan, local: Plan): Explanation | undefined {
  const candidates = [
    ...(local.absences ?? []).map((entry) => ({ ...entry, verdict: 'absent' as const })),
    ...local.substitutions.map((entry) => ({ ...entry, verdict: 'substituted' as const })),
  ]
  const matches = candidates
    .map((entry) => ({
      entry,
      depth: Math.max(-1, ...(entry.touches ?? []).filter((touch) => isRelated(touch, place)).map((touch) => touch.length)),
    }))
    .filter((match) => match.depth >= 0)
    .sort((a, b) => b.depth - a.depth)
  const best = matches[0]?.entry
  if (best) return { verdict: best.verdict, why: best.why, ...('local' in best && { local: best.local }) }
  const patch = [...local.patches, ...production.patches].find((one) => isRelated(one.target + one.path, place))
  if (patch) return { verdict: 'substituted', why: `a patch of ${patch.service}: ${patch.why}` }
  if (production.environment === local.environment) return undefined
  return { verdict: 'substituted', why: `the environment ${local.environment} says otherwise than ${production.environment}` }
}

function isRelated(touch: string, place: string): boolean {
  return touch === place || place.startsWith(`${touch}/`) || touch.startsWith(`${place}/`)
}

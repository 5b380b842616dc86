import { objectFacts } from './object-facts.ts'
import { processFacts } from './process-facts.ts'
import { runFacts } from './run-facts.ts'
import type { Fact, Plan } from './types.ts'

export { parityReport, scoreParity } from './score.ts'
export { verifyFacts } from './verify.ts'

/**
 * Every fact of production and what the local Plan does about it, with where the live value is read. Computed from the two
 * Plans alone: each object of production is compared with its local counterpart, so that a patch, a preset or an
 * environment's override shows up by itself. Ids are unique. Pure.
 */
export function parityFacts(production: Plan, local: Plan): Fact[] {
  const fromObjects = local.runtime === 'process' ? processFacts(production, local) : objectFacts(production, local)
  return [...runFacts(production, local), ...fromObjects]
}

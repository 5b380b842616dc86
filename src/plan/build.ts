import type { Model } from '../spec/model.ts'
import { assemblePlan } from './assemble.ts'
import { localObjectsOnly } from './local-objects.ts'
import { applyPatches } from './patch.ts'
import { selectServices } from './select.ts'
import type { Plan } from './types.ts'

/**
 * Production's Plan for `model.environment`: what `deploy` sends, and what every local run starts from. With
 * `services`, those and what they depend on, or with `alone` only those. Pure. Throws ShivError PLAN_SERVICE_UNKNOWN, PLAN_NAME_TAKEN,
 * PLAN_DATABASE_CONFLICT or PLAN_PATCH_FAILED, each with exit code 2.
 */
export function buildPlan(model: Model, options: { services?: string[]; alone?: boolean } = {}): Plan {
  const withOthers = selectServices(model, options.services)
  const services = options.alone ? withOthers.filter(({ name }) => options.services?.includes(name)) : withOthers
  return applyPatches(assemblePlan(model, services), services, localObjectsOnly(services))
}

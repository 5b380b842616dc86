import type { Model, Service } from '../spec/model.ts'
import { assemblePlan } from './assemble.ts'
import { localiseForKind } from './localise-kind.ts'
import { localiseForProcess } from './localise-process.ts'
import { applyPatches } from './patch.ts'
import { selectServices } from './select.ts'
import type { Plan, ServicePlan } from './types.ts'

export interface LocaliseOptions {
  /** Open debug endpoints; on unless it is false. */
  debug?: boolean
  /** Reload on save; on unless it is false. */
  reload?: boolean
}

/**
 * The local form of a Plan that `buildPlan` made of this `model`: the same objects less a short list of substitutions, each
 * recorded with its reason. Patches are laid over the substituted objects, so that a patch has the last word. For `process`
 * there are no objects. Pure. Throws as `buildPlan` does.
 */
export function localise(plan: Plan, runtime: 'kind' | 'process', model: Model, options: LocaliseOptions = {}): Plan {
  const services = selectServices(
    model,
    plan.services.map((service) => service.name),
  )
  const base = assemblePlan(model, services, 'local')
  const withReload = options.reload ?? true
  const plans = withReload ? reloadPolicies(base.services, services) : base.services
  if (runtime === 'process') return localiseForProcess({ ...base, services: plans }, model)
  const local = localiseForKind({ ...base, services: plans }, services, model, options.debug ?? true)
  return applyPatches(local, services, (kind, name) =>
    base.objects.some((object) => object.kind === kind && object.metadata.name === name),
  )
}

/** The services with their rules for a save, which no production Plan has. */
function reloadPolicies(plans: ServicePlan[], services: Service[]): ServicePlan[] {
  return plans.map((plan) => {
    const reload = services.find((service) => service.name === plan.name)?.reload
    return reload === undefined ? plan : { ...plan, reload }
  })
}

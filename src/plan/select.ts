import { ShivError } from '../core/errors.ts'
import type { Model, Service } from '../spec/model.ts'

/** The named services with everything they depend on, what stands in for a dependency in mode `local` with it, in the model's order; all of them when none is named. Throws PLAN_SERVICE_UNKNOWN. */
export function selectServices(model: Model, names: string[] | undefined): Service[] {
  if (!names || names.length === 0) return model.services
  const wanted = new Set<string>()
  const want = (name: string): void => {
    if (wanted.has(name)) return
    const service = model.services.find((candidate) => candidate.name === name)
    if (!service) throw unknownService(name, model)
    wanted.add(name)
    for (const dependency of service.dependencies) want(dependency)
    for (const { mode, local } of service.remotes) if (mode === 'local' && local && 'service' in local) want(local.service)
  }
  for (const name of names) want(name)
  return model.services.filter((service) => wanted.has(service.name))
}

function unknownService(name: string, model: Model): ShivError {
  const names = model.services.map((service) => service.name).join(', ')
  return new ShivError(`the workspace ${model.workspace.name} has no service ${name}`, {
    code: 'PLAN_SERVICE_UNKNOWN',
    exit: 2,
    hint: names ? `Its services are: ${names}` : 'It has no services yet: `shiv init` makes one.',
  })
}

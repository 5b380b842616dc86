import { ShivError } from '../core/errors.ts'
import type { DatabaseUse, Model, Service } from '../spec/model.ts'
import { credentialsSecret } from './names.ts'
import { expandTemplate } from './template.ts'
import type { DatabasePlan } from './types.ts'

/** The databases of the services, `withStandIns` also those that stand in for a dependency, each once, in the order in which they are named. Throws PLAN_DATABASE_CONFLICT when two services mean different servers by one name. */
export function databasesOf(services: Service[], model: Model, withStandIns: boolean): DatabasePlan[] {
  const plans = new Map<string, DatabasePlan>()
  for (const service of services) {
    for (const use of service.databases) {
      const known = plans.get(use.name)
      if (!known) plans.set(use.name, databaseOf(use, service, model))
      else join(known, use, service)
    }
  }
  for (const name of withStandIns ? services.flatMap(standIns) : []) {
    const owner = model.services.find((service) => service.databases.some((use) => use.name === name))
    const use = owner?.databases.find((candidate) => candidate.name === name)
    if (owner && use && !plans.has(name)) plans.set(name, { ...databaseOf(use, owner, model), users: [] })
  }
  return [...plans.values()]
}

/** Databases that only the proxy of a dependency leads to, in mode `local`. */
function standIns({ remotes }: Service): string[] {
  return remotes.flatMap(({ mode, local }) => (mode === 'local' && local && 'database' in local ? [local.database] : []))
}

function databaseOf(use: DatabaseUse, service: Service, model: Model): DatabasePlan {
  const preset = model.databases[use.type]
  if (!preset) throw new Error(`the model holds no database preset ${use.type}`)
  const image = expandTemplate(preset.image, { version: use.version })
  return { ...use, image, preset, secret: credentialsSecret(use.name), users: [service.name] }
}

function join(known: DatabasePlan, use: DatabaseUse, service: Service): void {
  if (known.type !== use.type || known.version !== use.version) {
    throw new ShivError(
      `${service.name} means ${use.type} ${use.version} by the database ${use.name}, ${known.users.join(', ')} means ${known.type} ${known.version}`,
      {
        code: 'PLAN_DATABASE_CONFLICT',
        exit: 2,
        hint: `Give one of them another name, or ask for the same type and version in both.`,
      },
    )
  }
  known.users.push(service.name)
}

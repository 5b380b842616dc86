import type { Service } from '../spec/model.ts'
import { shortName, STATEFUL_SET_LENGTH } from './names.ts'
import type { IsElsewhere } from './patch.ts'

/** Names of the objects that only a local Plan has. */
export function databaseObjectNames(database: string): { set: string; service: string; host: string; policy: string } {
  return {
    set: shortName(database, STATEFUL_SET_LENGTH),
    service: database,
    host: shortName(`${database}-host`),
    policy: database,
  }
}

export function debugServiceName(service: string): string {
  return shortName(`${service}-debug`)
}

/** Recognises what `localise` adds, so that a patch of it is no mistake in production's Plan. */
export function localObjectsOnly(services: Service[]): IsElsewhere {
  const known = new Set<string>()
  for (const service of services) {
    known.add(`Service/${debugServiceName(service.name)}`)
    for (const use of service.databases) {
      const names = databaseObjectNames(use.name)
      known
        .add(`StatefulSet/${names.set}`)
        .add(`Service/${names.service}`)
        .add(`Service/${names.host}`)
        .add(`NetworkPolicy/${names.policy}`)
    }
  }
  return (kind, name) => known.has(`${kind}/${name}`)
}

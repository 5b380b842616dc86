import { didYouMean } from '../core/suggest.ts'
import type { Fault } from '../core/errors.ts'
import { checkRemotes } from './check-remotes.ts'
import type { Draft, Reference, Resolved } from './draft.ts'
import type { DatabasePreset, Service } from './model.ts'
import { faultAt, placeOf } from './source.ts'
import type { FaultText, Span } from './source.ts'
import { valueSpan } from './tree.ts'

export type { Resolved }

/** Checks that need more than one service: names that occur twice, and references that name nothing. */
export function checkReferences(all: Resolved[], isComplete: boolean, faults: Fault[]): void {
  checkNames(all, faults)
  checkRemotes(all, isComplete, faults)
  const names = all.map(({ service }) => service.name)
  for (const { draft, service } of all) {
    for (const [index, name] of (draft.data.dependencies ?? []).entries()) {
      if (typeof name !== 'string' || names.includes(name) || !isComplete) continue
      const hint = didYouMean(
        name,
        names.filter((other) => other !== service.name),
      )
      draft.faultAtValue(['dependencies', index], {
        code: 'SPEC_UNKNOWN_SERVICE',
        message: `there is no service "${name}" in the workspace`,
        hint: hint ?? 'add its folder to the workspace, or remove the line',
      })
    }
    for (const reference of draft.references) {
      const fault = problemOf(reference, draft, service, all, isComplete)
      if (fault !== undefined) faults.push(faultAt(reference.span, fault))
    }
  }
}

function problemOf({ part }: Reference, draft: Draft, own: Service, all: Resolved[], isComplete: boolean): FaultText | undefined {
  if (part.kind === 'service') {
    const target = all.find(({ service }) => service.name === part.service)?.service
    if (target === undefined && !isComplete) return undefined
    if (target === undefined) {
      const hint = didYouMean(
        part.service,
        all.map(({ service }) => service.name),
      )
      return { code: 'SPEC_UNKNOWN_REFERENCE', message: `there is no service "${part.service}" in the workspace`, hint }
    }
    if (target.ports.length > 0) return undefined
    return {
      code: 'SPEC_NO_PORT',
      message: `the service "${part.service}" listens on no port`,
      hint: `add a port to ${part.service}`,
    }
  }
  if (part.kind === 'dependency') return dependencyProblem(part, own, draft)
  const use = own.databases.find(({ name }) => name === part.database)
  if (use !== undefined) return fieldProblem(part.field, use.name, draft.presets.databases.get(use.type))
  if (draft.incomplete.has('databases')) return undefined
  const names = own.databases.map(({ name }) => name)
  const hint = didYouMean(part.database, names) ?? `add it to databases: - postgres: ${part.database}`
  return { code: 'SPEC_UNKNOWN_REFERENCE', message: `"${own.name}" uses no database "${part.database}"`, hint }
}

/** A dependency is one that this service names itself. */
function dependencyProblem(
  part: Extract<Reference['part'], { kind: 'dependency' }>,
  own: Service,
  draft: Draft,
): FaultText | undefined {
  const { dependency, field } = part
  const remote = own.remotes.find(({ name }) => name === dependency)
  if (remote?.target.kind === 'database') return fieldProblem(field, dependency, draft.presets.databases.get(remote.target.type))
  if (remote !== undefined) {
    if (field === 'url' || field === 'host' || field === 'port') return undefined
    return {
      code: 'SPEC_BAD_REFERENCE',
      message: `a dependency by ${remote.protocol} has no ${field}`,
      hint: 'it has: url, host, port',
    }
  }
  if (draft.incomplete.has('dependencies')) return undefined
  const code = 'SPEC_UNKNOWN_REFERENCE'
  if (own.dependencies.includes(dependency)) {
    const hint = `write service.${dependency}.${field}`
    return { code, message: `"${dependency}" is a service of the workspace`, hint }
  }
  const names = own.remotes.map(({ name }) => name)
  const hint = didYouMean(dependency, names) ?? `add it to dependencies: - ${dependency}: { http: https://… }`
  return { code, message: `"${own.name}" has no dependency "${dependency}" outside of the workspace`, hint }
}

/** Not every database has users, passwords and names. */
function fieldProblem(field: string, name: string, preset: DatabasePreset | undefined): FaultText | undefined {
  if (preset === undefined) return undefined
  const { user, password, name: database } = preset.credentials
  const fields = [
    'url',
    'host',
    'port',
    ...(user === undefined ? [] : ['user']),
    ...(password ? ['password'] : []),
    ...(database === undefined ? [] : ['name']),
  ]
  if (fields.includes(field)) return undefined
  return {
    code: 'SPEC_BAD_REFERENCE',
    message: `a ${preset.name} such as "${name}" has no ${field}`,
    hint: `it has: ${fields.join(', ')}`,
  }
}

/** Services and databases become Kubernetes Services of one namespace, so they share one set of names. */
function checkNames(all: Resolved[], faults: Fault[]): void {
  const services = new Map<string, Span>()
  for (const { draft, service } of all) {
    const span = valueSpan(draft.tree, ['name'])
    const first = services.get(service.name)
    if (first === undefined) services.set(service.name, span)
    else
      faults.push(
        faultAt(span, {
          code: 'SPEC_DUPLICATE_SERVICE',
          message: `two services are named "${service.name}"; the other is in ${placeOf(first)}`,
          hint: 'rename one of them',
        }),
      )
  }
  const databases = new Map<string, { described: string; span: Span }>()
  for (const { draft, service } of all) {
    for (const [index, { type, name, version, storage }] of service.databases.entries()) {
      const span = valueSpan(draft.tree, ['databases', index, type])
      const twin = services.get(name)
      if (twin !== undefined) {
        const message = `a database and a service are both named "${name}"; the service is in ${placeOf(twin)}`
        faults.push(faultAt(span, { code: 'SPEC_DUPLICATE_NAME', message, hint: `rename the database, for example ${name}-db` }))
      }
      const described = `${type} ${version}, storage ${storage}`
      const first = databases.get(name)
      if (first === undefined) databases.set(name, { described, span })
      else if (first.described !== described) {
        const message = `the database "${name}" is ${described} here and ${first.described} in ${placeOf(first.span)}`
        faults.push(
          faultAt(span, { code: 'SPEC_DATABASE_CONFLICT', message, hint: 'write it alike in both, or give one another name' }),
        )
      }
    }
  }
}

import type { Fault } from '../core/errors.ts'
import { didYouMean } from '../core/suggest.ts'
import type { Resolved } from './draft.ts'
import type { Remote } from './remote.ts'
import { faultAt, placeOf } from './source.ts'
import type { FaultText, Span } from './source.ts'
import { keySpan, valueSpan } from './tree.ts'

/** A dependency, where it is written, and who writes it. */
interface Written {
  remote: Remote
  /** Of its name. */
  span: Span
  local: Span
  target: Span
}

/** Dependencies outside of the workspace: alike wherever they are written, with names of their own, and `local` names something. */
export function checkRemotes(all: Resolved[], isComplete: boolean, faults: Fault[]): void {
  const written = all.flatMap(writtenIn)
  const first = new Map<string, Written>()
  const places = new Map<string, Written>()
  for (const one of written) {
    const { remote, span } = one
    const twin = first.get(remote.name)
    const conflict = twin && conflictOf(one, twin)
    if (conflict !== undefined) faults.push(faultAt(span, conflict))
    if (twin !== undefined) continue
    first.set(remote.name, one)
    const taken = nameTaken(one, all)
    if (taken !== undefined) faults.push(faultAt(span, taken))
    const place = `${remote.inCluster.namespace ?? ''}/${remote.inCluster.service}`
    const other = places.get(place)
    if (other === undefined) places.set(place, one)
    else {
      const message = `"${remote.name}" and "${other.remote.name}" are one Service, ${remote.inCluster.service}; the other is in ${placeOf(other.span)}`
      faults.push(faultAt(one.target, { code: 'SPEC_DUPLICATE_NAME', message, hint: `call it ${other.remote.name} in both` }))
    }
    const missing = isComplete ? localProblem(remote, all) : undefined
    if (missing !== undefined) faults.push(faultAt(one.local, missing))
  }
}

function writtenIn({ draft, service }: Resolved): Written[] {
  return service.remotes.map((remote) => {
    const index = (draft.data.dependencies ?? []).findIndex(
      (entry) => typeof entry !== 'string' && Object.hasOwn(entry, remote.name),
    )
    const path = ['dependencies', index, remote.name]
    const field = remote.target.kind === 'url' ? remote.protocol : remote.target.kind
    return {
      remote,
      span: keySpan(draft.tree, path),
      local: valueSpan(draft.tree, [...path, 'local']),
      target: valueSpan(draft.tree, [...path, field]),
    }
  })
}

function conflictOf({ remote }: Written, twin: Written): FaultText | undefined {
  const fields = (Object.keys({ ...remote, ...twin.remote }) as (keyof Remote)[]).filter(
    (field) => field !== 'position' && JSON.stringify(remote[field]) !== JSON.stringify(twin.remote[field]),
  )
  if (fields.length === 0) return undefined
  const message = `the dependency "${remote.name}" has another ${fields.map((field) => WORDS[field] ?? field).join(' and ')} in ${placeOf(twin.span)}`
  return { code: 'SPEC_DEPENDENCY_CONFLICT', message, hint: 'write it alike in both, or give one another name' }
}

/** What users call the parts of a dependency. */
const WORDS: Partial<Record<keyof Remote, string>> = {
  protocol: 'target',
  inCluster: 'place in the cluster',
  access: 'read_only or allow',
  rules: 'set of rules',
}

/** It becomes a Service of the namespace, as services and databases of the workspace do; `local` says that they are the same thing. */
function nameTaken({ remote }: Written, all: Resolved[]): FaultText | undefined {
  const { name, local } = remote
  const kinds = [
    {
      kind: 'service',
      isThere: all.some(({ service }) => service.name === name),
      own: local && 'service' in local && local.service,
    },
    {
      kind: 'database',
      isThere: all.some(({ service }) => service.databases.some((database) => database.name === name)),
      own: local && 'database' in local && local.database,
    },
  ]
  const taken = kinds.find(({ isThere, own }) => isThere && own !== name)
  if (taken === undefined) return undefined
  const message = `a ${taken.kind} of the workspace is named "${name}" too`
  const hint =
    taken.kind === 'database' && remote.target.kind !== 'database'
      ? 'rename one of them'
      : `rename one of them, or say that it is the local one: local: ${name}`
  return { code: 'SPEC_DUPLICATE_NAME', message, hint }
}

function localProblem({ name, local, target }: Remote, all: Resolved[]): FaultText | undefined {
  if (local === undefined || 'url' in local) return undefined
  if ('service' in local) {
    const service = all.find((one) => one.service.name === local.service)?.service
    if (service === undefined) {
      const names = all.map((one) => one.service.name)
      return unknown('service', local.service, names)
    }
    if (service.ports.length > 0) return undefined
    const message = `the service "${local.service}" listens on no port, so it cannot stand for "${name}"`
    return { code: 'SPEC_NO_PORT', message, hint: `add a port to ${local.service}` }
  }
  const databases = all.flatMap(({ service }) => service.databases)
  const database = databases.find((one) => one.name === local.database)
  if (database === undefined) return unknown('database', local.database, new Set(databases.map((one) => one.name)))
  if (target.kind !== 'database' || database.type === target.type) return undefined
  const message = `"${local.database}" is a ${database.type}, and "${name}" a ${target.type}`
  return { code: 'SPEC_DATABASE_CONFLICT', message, hint: `name a ${target.type} of the workspace` }
}

function unknown(kind: string, name: string, known: Iterable<string>): FaultText {
  const hint = didYouMean(name, known) ?? `name a ${kind} of the workspace, or an address such as localhost:5432`
  return { code: 'SPEC_UNKNOWN_REFERENCE', message: `there is no ${kind} "${name}" in the workspace`, hint }
}

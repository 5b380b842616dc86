import { canonicalJson, contentHash, isSame } from './canonical.ts'
import { DEPENDENCY_LABEL } from './remote-objects.ts'
import { pointerStep } from './pointer.ts'
import type { KubeObject, Plan } from './types.ts'

export interface ValueChange {
  /** JSON Pointer. */
  path: string
  op: 'add' | 'remove' | 'replace'
  from?: unknown
  to?: unknown
}

export interface ItemDiff {
  /** Names; of objects `Kind/name`. */
  added: string[]
  removed: string[]
  changed: { name: string; changes: ValueChange[] }[]
}

export interface PlanDiff {
  services: ItemDiff
  databases: ItemDiff
  images: ItemDiff
  secrets: ItemDiff
  /** Modes and rules among them, which nothing else of a Plan follows. */
  remotes: ItemDiff
  objects: ItemDiff
  isEmpty: boolean
}

/** What leads from one Plan to another; positions in files do not count. Lists of equal length are compared member by member, others as a whole. */
export function diffPlans(from: Plan, to: Plan): PlanDiff {
  const diff = {
    services: diffItems(from.services, to.services, (service) => service.name),
    databases: diffItems(from.databases, to.databases, (database) => database.name),
    images: diffItems(from.images, to.images, (image) => image.service),
    secrets: diffItems(from.secrets, to.secrets, (secret) => secret.name),
    remotes: diffItems(from.remotes, to.remotes, (remote) => remote.name),
    objects: diffItems(from.objects, to.objects, objectId),
  }
  const isEmpty = Object.values(diff).every((items) => items.added.length + items.removed.length + items.changed.length === 0)
  return { ...diff, isEmpty }
}

/** 64 hex digits that change when something changes that a run is made of; a comment in service.yaml changes nothing. */
export function planHash(plan: Plan): string {
  return contentHash(withoutPositions(plan))
}

/** `Kind/name`, which is unique within a Plan; of what stands for a dependency in a namespace of its own `Kind/namespace/name`. */
export function objectId({ kind, metadata }: KubeObject): string {
  const isElsewhere = metadata.labels?.[DEPENDENCY_LABEL] !== undefined
  return isElsewhere && metadata.namespace !== undefined
    ? `${kind}/${metadata.namespace}/${metadata.name}`
    : `${kind}/${metadata.name}`
}

function diffItems<T>(from: T[], to: T[], nameOf: (item: T) => string): ItemDiff {
  const before = new Map(from.map((item) => [nameOf(item), withoutPositions(item)]))
  const after = new Map(to.map((item) => [nameOf(item), withoutPositions(item)]))
  const both = [...before.keys()].filter((name) => after.has(name))
  return {
    added: [...after.keys()].filter((name) => !before.has(name)),
    removed: [...before.keys()].filter((name) => !after.has(name)),
    changed: both
      .map((name) => ({ name, changes: diffValues(before.get(name), after.get(name)) }))
      .filter((item) => item.changes.length > 0),
  }
}

/** The changes that make `to` of `from`, deepest paths that tell them apart. */
export function diffValues(from: unknown, to: unknown, path = ''): ValueChange[] {
  if (isSame(from, to)) return []
  if (from === undefined) return [{ path, op: 'add', to }]
  if (to === undefined) return [{ path, op: 'remove', from }]
  if (Array.isArray(from) && Array.isArray(to) && from.length === to.length) {
    return from.flatMap((member, index) => diffValues(member, to[index], `${path}/${index}`))
  }
  if (isRecord(from) && isRecord(to)) {
    const keys = [...new Set([...Object.keys(from), ...Object.keys(to)])]
    return keys.flatMap((key) => diffValues(from[key], to[key], `${path}/${pointerStep(key)}`))
  }
  return [{ path, op: 'replace', from, to }]
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === 'object' && !Array.isArray(value)
}

function withoutPositions(value: unknown): unknown {
  return JSON.parse(canonicalJson(value), (_key, member: unknown) => {
    if (!isRecord(member) || !isRecord(member['position'])) return member
    const { position, ...rest } = member
    return 'line' in (position as object) ? rest : member
  })
}

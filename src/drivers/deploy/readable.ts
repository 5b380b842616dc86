import type { KubeObject } from '../../plan/types.ts'

/** What the cluster itself writes, and nobody deploys. */
const OWN = ['managedFields', 'resourceVersion', 'generation', 'uid', 'creationTimestamp', 'selfLink']
const OWN_ANNOTATIONS = /^(deployment\.kubernetes\.io\/revision|kubectl\.kubernetes\.io\/last-applied-configuration|deprecated\.)/

/** An object for a diff that people read: without what the cluster writes, lists of named things by their names. */
export function forDiff(object: KubeObject): unknown {
  const { status: _status, apiVersion: _apiVersion, kind: _kind, metadata, ...rest } = object
  const kept = Object.entries(metadata).filter(([name]) => !OWN.includes(name))
  const annotations = Object.entries(metadata.annotations ?? {}).filter(([name]) => !OWN_ANNOTATIONS.test(name))
  return byName({ metadata: { ...Object.fromEntries(kept), annotations: Object.fromEntries(annotations) }, ...rest })
}

/** A live object with what is wanted laid over it, as server-side apply would; defaults that the server fills in are those that are there. */
export function overlaid(live: KubeObject, wanted: KubeObject): KubeObject {
  return lay(live, wanted) as KubeObject
}

function byName(value: unknown): unknown {
  if (Array.isArray(value)) {
    const names = value.map((member) => (isRecord(member) ? member['name'] : undefined))
    const isKeyed = names.length > 0 && names.every((name) => typeof name === 'string') && new Set(names).size === names.length
    if (!isKeyed) return value.map(byName)
    return Object.fromEntries(value.map((member: Record<string, unknown>) => [member['name'], byName(without(member, 'name'))]))
  }
  if (!isRecord(value)) return value
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, byName(member)]))
}

function lay(below: unknown, above: unknown): unknown {
  if (Array.isArray(below) && Array.isArray(above)) {
    const nameOf = (member: unknown): unknown => (isRecord(member) ? member['name'] : undefined)
    if (!above.every((member) => typeof nameOf(member) === 'string')) return above
    return above.map((member: unknown) =>
      lay(
        below.find((one) => nameOf(one) === nameOf(member)),
        member,
      ),
    )
  }
  if (!isRecord(below) || !isRecord(above)) return above
  return { ...below, ...Object.fromEntries(Object.entries(above).map(([key, member]) => [key, lay(below[key], member)])) }
}

function without(value: Record<string, unknown>, key: string): Record<string, unknown> {
  const { [key]: _key, ...rest } = value
  return rest
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

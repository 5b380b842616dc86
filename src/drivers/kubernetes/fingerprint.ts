import { createHash } from 'node:crypto'
import type { KubeObject } from '../../plan/types.ts'
import type { Live } from './objects.ts'

/** 16 hex digits that stand for what we want of an object; of a Secret without its values. */
export function desiredHash(object: KubeObject): string {
  if (object.kind !== 'Secret') return hashOf(object)
  const { data: _data, ...rest } = object
  return hashOf(rest)
}

/**
 * 16 hex digits that stand for what the cluster holds of an object, without what controllers write by themselves: equal
 * fingerprints mean that nobody edited it since it was applied.
 */
export function liveFingerprint(live: Live, desired: KubeObject): string {
  const { status: _status, apiVersion: _apiVersion, kind: _kind, metadata, ...rest } = live as Live & { status?: unknown }
  if (desired.kind === 'Secret') delete rest['data']
  const spec = { ...(rest['spec'] as Record<string, unknown> | undefined) }
  const wanted = (desired['spec'] ?? {}) as Record<string, unknown>
  if (wanted['replicas'] === undefined) delete spec['replicas']
  delete spec['volumeName']
  delete spec['finalizers']
  const annotations = Object.entries(metadata.annotations ?? {}).filter(([name]) => !name.includes('kubernetes.io/'))
  const labels = Object.entries(metadata.labels ?? {}).filter(([name]) => !name.startsWith('kubernetes.io/'))
  return hashOf({ ...rest, spec, annotations: Object.fromEntries(annotations), labels: Object.fromEntries(labels) })
}

function hashOf(value: unknown): string {
  return createHash('sha256').update(stableText(value)).digest('hex').slice(0, 16)
}

/** JSON with sorted keys, so that equal values have equal text. */
export function stableText(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  )
}

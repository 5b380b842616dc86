import { canonicalJson } from './canonical.ts'
import { IMAGE_PLACEHOLDER } from './types.ts'
import type { KubeObject } from './types.ts'

const TEMPLATED = new Set(['Deployment', 'StatefulSet', 'DaemonSet', 'Job', 'CronJob'])
/** A Secret at one version of its values. */
export interface SecretVersion {
  name: string
  resourceVersion: string
}

const SECRETS_ANNOTATION = 'shiv.dev/secrets'

/** Replaces each `shiv-image:SERVICE` by the reference that was built for it. References that are not there yet stay. */
export function withImages(objects: KubeObject[], references: Map<string, string>): KubeObject[] {
  return mapTemplates(objects, (text) => replacementOf(text, references) ?? text)
}

/** Replaces texts in what has a pod template. */
export function mapTemplates(objects: KubeObject[], replace: (text: string) => string): KubeObject[] {
  return objects.map((object) => (TEMPLATED.has(object.kind) ? mapStrings(object, replace) : object))
}

function replacementOf(text: string, references: Map<string, string>): string | undefined {
  return text.startsWith(IMAGE_PLACEHOLDER) ? references.get(text.slice(IMAGE_PLACEHOLDER.length)) : undefined
}

/** Every image that the pods of these objects name. */
export function imagesOf(objects: KubeObject[]): string[] {
  const images = new Set<string>()
  for (const object of objects) {
    const spec = podSpecOf(object)
    for (const list of ['containers', 'initContainers']) {
      for (const container of (spec?.[list] as { image?: string }[] | undefined) ?? []) {
        if (container.image !== undefined) images.add(container.image)
      }
    }
  }
  return [...images]
}

/**
 * Marks each pod template with the versions of the Secrets that it reads, so that a changed value restarts what was started
 * with the old one. The mark is the cluster's own version number and tells nothing of the value.
 */
export function withSecretVersions(objects: KubeObject[], secrets: SecretVersion[]): KubeObject[] {
  return objects.map((object) => {
    if (object.kind !== 'Deployment' && object.kind !== 'StatefulSet') return object
    const text = canonicalJson(podSpecOf(object))
    const used = secrets.filter(({ name }) => text.includes(`"name":"${name}"`) || text.includes(`"secretName":"${name}"`))
    if (used.length === 0) return object
    const copy = structuredClone(object)
    const template = (copy['spec'] as { template: { metadata?: { annotations?: Record<string, string> } } }).template
    const versions = used.map(({ name, resourceVersion }) => `${name}@${resourceVersion}`)
    template.metadata = {
      ...template.metadata,
      annotations: { ...template.metadata?.annotations, [SECRETS_ANNOTATION]: versions.sort().join(' ') },
    }
    return copy
  })
}

/** The pod spec inside a workload, a Job or a CronJob. */
export function podSpecOf(object: KubeObject): Record<string, unknown> | undefined {
  const spec = object['spec'] as
    | { template?: { spec: Record<string, unknown> }; jobTemplate?: { spec: { template: { spec: Record<string, unknown> } } } }
    | undefined
  if (object.kind === 'CronJob') return spec?.jobTemplate?.spec.template.spec
  return TEMPLATED.has(object.kind) ? spec?.template?.spec : undefined
}

function mapStrings<T>(value: T, replace: (text: string) => string): T {
  if (typeof value === 'string') return replace(value) as T
  if (Array.isArray(value)) return value.map((part) => mapStrings(part, replace) as unknown) as T
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, mapStrings(part as unknown, replace)])) as T
}

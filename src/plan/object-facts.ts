import { isSame } from './canonical.ts'
import { diffValues, objectId } from './diff.ts'
import { explain } from './explain.ts'
import { EXTRACTORS } from './extractors.ts'
import type { Extractor } from './extractors.ts'
import { shortJson } from './fact-text.ts'
import { getPointer, pointerSteps } from './pointer.ts'
import { DEPENDENCY_LABEL } from './remote-objects.ts'
import { AUTHORITY_PLACEHOLDER, DEPENDENCY_PLACEHOLDER } from './remote.ts'
import { IMAGE_PLACEHOLDER } from './types.ts'
import type { Fact, KubeObject, Plan, ReadingTarget } from './types.ts'

/** The facts of every object of production, each against its counterpart in a local Plan that has objects. */
export function objectFacts(production: Plan, local: Plan): Fact[] {
  return production.objects.flatMap((object) => {
    const twin = local.objects.find((candidate) => isTwin(object, candidate))
    const extractors = EXTRACTORS[object.kind] ?? []
    const facts = extractors.map((extractor) => extractedFact(extractor, object, twin, production, local))
    return [...facts, restFact(object, twin, extractors, production, local)].filter((fact) => fact !== undefined)
  })
}

/** A Plan has one Namespace, under whatever name. */
function isTwin(object: KubeObject, candidate: KubeObject): boolean {
  if (object.kind !== candidate.kind || candidate.metadata.labels?.[DEPENDENCY_LABEL] !== undefined) return false
  return object.kind === 'Namespace' || object.metadata.name === candidate.metadata.name
}

function extractedFact(
  extractor: Extractor,
  object: KubeObject,
  twin: KubeObject | undefined,
  production: Plan,
  local: Plan,
): Fact | undefined {
  const there = getPointer(object, extractor.path)
  const here = twin && getPointer(twin, extractor.path)
  if (there === undefined && here === undefined) return undefined
  const fact = {
    ...head(object, extractor.key, extractor.title),
    production: there === undefined ? 'not set' : extractor.text(there),
    weight: extractor.weight,
    ...(twin && here !== undefined && { reading: reading(twin, extractor.path, here, local) }),
  }
  if (isSame(there, here)) return { ...fact, local: fact.production, verdict: 'same' }
  const told = { ...fact, ...difference(objectId(object) + extractor.path, here, extractor.text, production, local) }
  if (!extractor.contrast || there === undefined || here === undefined) return told
  return { ...told, ...extractor.contrast(there, here) }
}

/**
 * What an object says beyond its extractors, as one fact, so that a patch or a new field of the preset shows up by itself.
 * It is read back too, less what the other facts read.
 */
function restFact(
  object: KubeObject,
  twin: KubeObject | undefined,
  extractors: Extractor[],
  production: Plan,
  local: Plan,
): Fact | undefined {
  const there = rest(object, extractors)
  const here = twin && rest(twin, extractors)
  if (isSame(there, {}) && (here === undefined || isSame(here, {}))) return undefined
  const fact = { ...head(object, 'rest', extractors.length > 0 ? `${object.kind}, the rest` : object.kind), weight: 1 }
  const expect = here && { reading: reading(twin, '', here, local) }
  if (isSame(there, here)) return { ...fact, production: 'as configured', local: 'as configured', verdict: 'same', ...expect }
  const changes = diffValues(there, here)
  const paths = changes.map((change) => change.path)
  const place = objectId(object) + (twin ? (paths[0] ?? '') : '')
  const text = (value: unknown): string =>
    twin ? paths.map((path) => `${path} ${shortJson(getPointer(value, path) ?? 'not set')}`).join('; ') : 'as configured'
  return { ...fact, production: text(there), ...expect, ...difference(place, here, text, production, local) }
}

function difference(
  place: string,
  here: unknown,
  text: (value: unknown) => string,
  production: Plan,
  local: Plan,
): Pick<Fact, 'local' | 'verdict' | 'why'> {
  const explanation = explain(place, production, local)
  const words = here === undefined ? undefined : text(here)
  if (!explanation) {
    return { local: words, verdict: here === undefined ? 'absent' : 'substituted', why: 'no substitution explains it' }
  }
  const isAbsent = explanation.verdict === 'absent' || (here === undefined && explanation.local === undefined)
  return {
    local: isAbsent ? undefined : (words ?? explanation.local),
    verdict: isAbsent ? 'absent' : 'substituted',
    why: explanation.why,
  }
}

function head(object: KubeObject, key: string, title: string): Pick<Fact, 'id' | 'subject' | 'title'> {
  if (object.kind === 'Namespace' || object.kind === 'ResourceQuota')
    return { id: `namespace.${key}`, subject: 'namespace', title }
  const name =
    object.kind === 'NetworkPolicy' && object.metadata.labels?.['app.kubernetes.io/name'] === undefined ? 'namespace' : undefined
  const subject = name ?? object.metadata.name
  return { id: `${name ?? `service.${subject}`}.${key === 'rest' ? `${object.kind.toLowerCase()}.rest` : key}`, subject, title }
}

/** Labels are found by, not behaviour; the hash follows from what is compared anyway; the status is the cluster's. */
function rest(object: KubeObject, extractors: Extractor[]): Record<string, unknown> {
  const {
    apiVersion: _version,
    kind: _kind,
    metadata,
    status: _status,
    ...body
  } = JSON.parse(JSON.stringify(object)) as KubeObject
  const copy: Record<string, unknown> = { ...body }
  const annotations = getPointer(copy, '/spec/template/metadata/annotations') as Record<string, string> | undefined
  if (annotations) delete annotations['shiv.dev/config-hash']
  if (metadata.annotations && object.kind !== 'Namespace') copy['metadata'] = { annotations: metadata.annotations }
  for (const extractor of extractors) if (!extractor.path.startsWith('/metadata')) removeAt(copy, extractor.path)
  // Production and local images are a fact of their own.
  removeAt(copy, '/spec/template/spec/containers/0/image')
  removeAt(copy, '/spec/jobTemplate/spec/template/metadata/annotations/shiv.dev~1config-hash')
  removeAt(copy, '/spec/jobTemplate/spec/template/spec/containers/0/image')
  return copy
}

function removeAt(root: object, path: string): void {
  const steps = pointerSteps(path)
  const last = steps.pop()
  let place: unknown = root
  for (const step of steps)
    place = place !== null && typeof place === 'object' ? (place as Record<string, unknown>)[step] : undefined
  if (last !== undefined && place !== null && typeof place === 'object') delete (place as Record<string, unknown>)[last]
}

function reading(object: KubeObject, path: string, expect: unknown, local: Plan): ReadingTarget {
  return {
    kind: 'object',
    apiVersion: object.apiVersion,
    object: object.kind,
    name: object.metadata.name,
    ...(object.metadata.namespace !== undefined && { namespace: object.metadata.namespace }),
    path,
    expect: withoutPlaceholders(expect, local),
  }
}

/** An image's tag is known when it is built; where a dependency is, and whom its callers trust, when the cluster is there. */
function withoutPlaceholders(expect: unknown, local: Plan): unknown {
  return JSON.parse(JSON.stringify(expect), (_key, member: unknown) => {
    if (typeof member !== 'string') return member
    if (member.startsWith(DEPENDENCY_PLACEHOLDER) || member.startsWith(AUTHORITY_PLACEHOLDER)) return { $startsWith: '' }
    if (!member.startsWith(IMAGE_PLACEHOLDER)) return member
    const image = local.images.find((candidate) => IMAGE_PLACEHOLDER + candidate.service === member)
    return { $startsWith: image?.source.kind === 'build' ? `${image.repository}:` : '' }
  })
}

import { isSame } from './canonical.ts'
import { objectId } from './diff.ts'
import { explain } from './explain.ts'
import { EXTRACTORS } from './extractors.ts'
import type { Counterpart, Extractor } from './extractors.ts'
import { getPointer } from './pointer.ts'
import type { Fact, KubeObject, Plan, ReadingTarget } from './types.ts'

/** The facts of every object of production against a local Plan without objects: the extractor's counterpart, else what was recorded about it. */
export function processFacts(production: Plan, local: Plan): Fact[] {
  return production.objects.flatMap((object) =>
    (EXTRACTORS[object.kind] ?? [whole])
      .map((extractor) => processFact(extractor, object, production, local))
      .filter((fact) => fact !== undefined),
  )
}

/** A kind without extractors: present or not. */
const whole: Extractor = { key: 'object', title: 'object', path: '', weight: 1, text: () => 'as configured' }

function processFact(extractor: Extractor, object: KubeObject, production: Plan, local: Plan): Fact | undefined {
  const there = getPointer(object, extractor.path)
  if (there === undefined) return undefined
  const { subject, part } = ownerOf(object)
  const fact = {
    id: `${subject === 'namespace' ? '' : 'service.'}${object.metadata.name === production.namespace ? 'namespace' : object.metadata.name}.${extractor.key}`,
    subject: subject === 'namespace' ? subject : object.metadata.name,
    title: extractor.title,
    production: extractor.text(there),
    weight: extractor.weight,
  }
  const service = local.services.find((candidate) => candidate.name === subject)
  const counterpart = service && extractor.process?.(service, part)
  if (counterpart) {
    const wanted = extractor.reduce ? extractor.reduce(there) : there
    const reading = readingOf(counterpart)
    if (isSame(wanted, counterpart.value)) return { ...fact, local: fact.production, verdict: 'same', ...reading }
    const why = explain(objectId(object) + extractor.path, production, local)?.why ?? 'no substitution explains it'
    return { ...fact, local: extractor.text(counterpart.value), verdict: 'substituted', why, ...reading }
  }
  const explanation = explain(objectId(object) + extractor.path, production, local)
  return {
    ...fact,
    local: explanation?.local,
    verdict: explanation?.local === undefined ? 'absent' : 'substituted',
    why: explanation?.why ?? 'plain processes have no such thing',
  }
}

function ownerOf(object: KubeObject): { subject: string; part: string } {
  const labels = object.metadata.labels ?? {}
  return { subject: labels['app.kubernetes.io/name'] ?? 'namespace', part: labels['app.kubernetes.io/component'] ?? 'server' }
}

function readingOf(counterpart: Counterpart): { reading?: ReadingTarget } {
  if (!counterpart.question) return {}
  return { reading: { kind: 'runtime', question: counterpart.question, expect: counterpart.expect } }
}

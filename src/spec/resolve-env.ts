import type { Draft } from './draft.ts'
import type { EnvSource, TemplatePart } from './model.ts'
import { faultAt } from './source.ts'
import type { Span } from './source.ts'
import { parseReference, parseTemplate } from './template.ts'
import { treeAt, valueSpan } from './tree.ts'
import type { Path, ScalarTree } from './tree.ts'

/** The env entries of a service, placeholders parsed; each thing they name is noted in the draft for the checks over the whole workspace. */
export function resolveEnv(draft: Draft): Record<string, EnvSource> {
  const entries = Object.keys(draft.data.env ?? {}).map((name): [string, EnvSource] => [name, resolveEntry(draft, name)])
  return Object.fromEntries(entries)
}

function resolveEntry(draft: Draft, name: string): EnvSource {
  const entry = draft.data.env![name]!
  const position = draft.position(['env', name])
  const kebab =
    name
      .toLowerCase()
      .replace(/_+/g, '-')
      .replace(/^-+|-+$/g, '') || 'value'
  if (typeof entry !== 'object') return { kind: 'value', parts: templateAt(draft, ['env', name]), position }
  if (entry.secret !== undefined) return { kind: 'secret', secret: entry.secret, key: entry.key ?? kebab, position }
  if (entry.prompt !== undefined) return { kind: 'prompt', prompt: entry.prompt, secret: kebab, key: kebab, position }
  if (entry.from !== undefined) return { kind: 'value', parts: referenceAt(draft, ['env', name, 'from'], entry.from), position }
  return { kind: 'value', parts: templateAt(draft, ['env', name, 'value']), position }
}

function referenceAt(draft: Draft, path: Path, text: string): TemplatePart[] {
  const part = parseReference(text)
  if ('code' in part) {
    const isForm = part.message.endsWith('names nothing')
    draft.faultAtValue(path, {
      ...part,
      hint: isForm ? 'write database.NAME.url, service.NAME.url or dependency.NAME.url' : part.hint,
    })
    return []
  }
  draft.references.push({ part, span: valueSpan(draft.tree, path) })
  return [part]
}

function templateAt(draft: Draft, path: Path): TemplatePart[] {
  const scalar = treeAt(draft.tree, path)
  if (scalar?.kind !== 'scalar') return []
  const { parts, faults, openings } = parseTemplate(scalar.text)
  for (const { opening, length, ...fault } of faults) draft.faults.push(faultAt(openingSpan(scalar, opening, length), fault))
  for (const [part, opening] of openings) {
    if (part.kind !== 'text') draft.references.push({ part, span: openingSpan(scalar, opening) })
  }
  return parts
}

/** The nth `${` of a scalar, in the file; the whole scalar where escapes of a quoted text hide it. */
function openingSpan(scalar: ScalarTree, opening: number, length?: number): Span {
  const { source, start, end } = scalar.span
  const written = source.text.slice(start, end)
  const offsets = [...written.matchAll(/\$\{/g)].map((match) => match.index)
  const offset = offsets.length === scalar.text.split('${').length - 1 ? offsets[opening] : undefined
  if (offset === undefined) return scalar.span
  const close = written.indexOf('}', offset)
  const closed = close < 0 ? (length ?? 2) : close + 1 - offset
  return { source, start: start + offset, end: start + offset + closed }
}

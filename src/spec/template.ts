import { didYouMean } from '../core/suggest.ts'
import type { FaultText } from './source.ts'
import type { DatabaseField, TemplatePart } from './model.ts'

export const DATABASE_FIELDS: readonly DatabaseField[] = ['url', 'host', 'port', 'user', 'password', 'name']
export const SERVICE_FIELDS = ['url', 'host', 'port'] as const

/** A fault inside a template: `offset` and `length` in the text, and which `${` of it (from 0) it is about. */
export interface TemplateFault extends FaultText {
  offset: number
  length: number
  opening: number
}

export interface ParsedTemplate {
  parts: TemplatePart[]
  faults: TemplateFault[]
  /** For each part that names something, which `${` it is. */
  openings: Map<TemplatePart, number>
}

/** Parses `${databases.NAME.FIELD}`, `${services.NAME.FIELD}` and `${dependencies.NAME.FIELD}`; `$${` stands for `${`. Whether the names exist is not asked here. */
export function parseTemplate(text: string): ParsedTemplate {
  const parsed: ParsedTemplate = { parts: [], faults: [], openings: new Map() }
  let plain = ''
  let from = 0
  let opening = -1
  for (let at = text.indexOf('${'); at >= 0; at = text.indexOf('${', from)) {
    opening += 1
    if (text[at - 1] === '$' && at > from) {
      plain += `${text.slice(from, at - 1)}\${`
      from = at + 2
      continue
    }
    const close = text.indexOf('}', at)
    if (close < 0) {
      const length = text.length - at
      parsed.faults.push({
        offset: at,
        length,
        opening,
        code: 'SPEC_UNTERMINATED',
        message: 'this "${" is never closed',
        hint: 'add "}", or write $${ for the text ${',
      })
      return parsed
    }
    plain += text.slice(from, at)
    from = close + 1
    const inner = text.slice(at + 2, close)
    const part = parseReference(inner)
    if ('code' in part) {
      parsed.faults.push({ ...part, offset: at, length: from - at, opening })
      continue
    }
    if (plain !== '') parsed.parts.push({ kind: 'text', text: plain })
    plain = ''
    parsed.parts.push(part)
    parsed.openings.set(part, opening)
  }
  plain += text.slice(from)
  if (plain !== '' || parsed.parts.length === 0) parsed.parts.push({ kind: 'text', text: plain })
  return parsed
}

const KINDS: Record<string, 'database' | 'service' | 'dependency'> = {
  database: 'database',
  databases: 'database',
  service: 'service',
  services: 'service',
  dependency: 'dependency',
  dependencies: 'dependency',
}

/** `database.NAME.FIELD`, `service.NAME.FIELD` or `dependency.NAME.FIELD`, singular or plural, as in `from:` and between the braces of a placeholder. */
export function parseReference(text: string): Exclude<TemplatePart, { kind: 'text' }> | FaultText {
  const [word = '', name = '', field = '', ...more] = text.trim().split('.')
  const kind = Object.hasOwn(KINDS, word) ? KINDS[word] : undefined
  if (kind === undefined || name === '' || more.length > 0) {
    return {
      code: 'SPEC_BAD_REFERENCE',
      message: `"${text}" names nothing`,
      hint: 'write databases.NAME.FIELD, services.NAME.FIELD or dependencies.NAME.FIELD, for example ${databases.user-db.url}; $${ stands for the text ${',
    }
  }
  const fields: readonly string[] = kind === 'service' ? SERVICE_FIELDS : DATABASE_FIELDS
  if (!fields.includes(field)) {
    const message = field === '' ? `"${text}" lacks a field` : `a ${kind} has no field "${field}"`
    return { code: 'SPEC_BAD_REFERENCE', message, hint: didYouMean(field, fields) }
  }
  if (kind === 'database') return { kind, database: name, field: field as DatabaseField }
  if (kind === 'dependency') return { kind, dependency: name, field: field as DatabaseField }
  return { kind, service: name, field: field as 'url' | 'host' | 'port' }
}

import { createHash } from 'node:crypto'
import { isFormType, isJsonType, readMediaType } from './media-type.ts'
import type { KeptBody } from './keep-body.ts'
import { isJsonFault, readJson, type JsonNode } from './json-tree.ts'
import { showPlace, type JsonPath, type JsonStep } from './json-path.ts'
import { partName, readMultipart } from './multipart.ts'
import { withoutNumbers } from './placeholder.ts'

/** A name and a value that count when requests are compared. */
export type Field = readonly [name: string, value: string]

/** What is compared of a body; kinds differ, bodies differ. */
export interface CanonicalBody {
  kind: 'none' | 'json' | 'form' | 'multipart' | 'text' | 'binary' | 'omitted'
  fields: Field[]
}

/** The parameters of a query by name; those of one name keep their order. Placeholders lose their numbers. */
export function canonicalForm(text: string, isIgnored: (name: string) => boolean): Field[] {
  return text
    .split('&')
    .filter((pair) => pair !== '')
    .map((pair): Field => {
      const equals = pair.indexOf('=')
      return [decode(equals < 0 ? pair : pair.slice(0, equals)), withoutNumbers(equals < 0 ? '' : decode(pair.slice(equals + 1)))]
    })
    .filter(([name]) => !isIgnored(name))
    .sort(byName)
}

/** A path, however its signs are percent-encoded. */
export function canonicalPath(path: string): string {
  const segments = path.split('/').map((segment) => encodeURIComponent(decodeSegment(segment)))
  return withoutNumbers(segments.join('/'))
}

/**
 * A kept body as fields: the values of JSON by their places whatever their order, the pairs of a form, the parts of a multipart body
 * without their boundary, any other text whole, and of all else the hash. `size` is that of a body that was left out.
 */
export function canonicalBody(
  body: KeptBody,
  contentType: string | undefined,
  ignored: readonly JsonPath[],
  size: number,
): CanonicalBody {
  if (body.kind === 'none') return { kind: 'none', fields: [] }
  if (body.kind === 'omitted') return { kind: 'omitted', fields: [['size', String(size)]] }
  if (body.kind === 'file') return { kind: 'binary', fields: [['sha256', body.name]] }
  const { essence } = readMediaType(contentType)
  const isIgnored = (place: readonly JsonStep[]): boolean => ignored.some((path) => path(place))
  if (essence.startsWith('multipart/')) {
    const parts = multipartFields(body.kind === 'text' ? Buffer.from(body.text) : body.bytes, isIgnored)
    if (parts !== undefined) return { kind: 'multipart', fields: parts }
  }
  if (body.kind === 'bytes') return { kind: 'binary', fields: [['sha256', sha256(body.bytes)]] }
  if (isFormType(essence)) return { kind: 'form', fields: canonicalForm(body.text, (name) => isIgnored([name])) }
  const tree = isJsonType(essence) || /^\s*[{[]/.test(body.text) ? readJson(body.text) : undefined
  if (tree === undefined || isJsonFault(tree)) return { kind: 'text', fields: [['', withoutNumbers(body.text)]] }
  return { kind: 'json', fields: jsonFields(tree, body.text, isIgnored) }
}

/** The digest of what is compared. */
export function bodyHash(body: CanonicalBody): string {
  return `sha256:${sha256(JSON.stringify(body))}`
}

export function sha256(content: string | Buffer): string {
  return createHash('sha256').update(content).digest('hex')
}

function jsonFields(tree: JsonNode, text: string, isIgnored: (place: readonly JsonStep[]) => boolean): Field[] {
  const fields: Field[] = []
  const visit = (node: JsonNode, place: JsonStep[]): void => {
    if (isIgnored(place)) return
    if (node.kind === 'object') {
      if (node.members.length === 0) fields.push([showPlace(place), '{}'])
      for (const member of node.members) visit(member.value, [...place, member.key])
    } else if (node.kind === 'array') {
      if (node.items.length === 0) fields.push([showPlace(place), '[]'])
      node.items.forEach((item, index) => visit(item, [...place, index]))
    } else {
      fields.push([showPlace(place), scalar(node, text.slice(node.start, node.end))])
    }
  }
  visit(tree, [])
  return fields.sort(byName)
}

function scalar(node: JsonNode, raw: string): string {
  if (node.kind === 'string') return withoutNumbers(JSON.stringify(node.value))
  // Numbers beyond what a double holds stay as they are written.
  return node.kind === 'number' && !/^-?\d+$/.test(raw) ? String(Number(raw)) : raw
}

function multipartFields(bytes: Buffer, isIgnored: (place: readonly JsonStep[]) => boolean): Field[] | undefined {
  const boundary = /^--([^\r\n]+)\r\n/.exec(bytes.subarray(0, 200).toString('latin1'))?.[1]
  const parts = boundary === undefined ? undefined : readMultipart(bytes, boundary)
  return parts
    ?.filter((part) => !isIgnored([partName(part)]))
    .map((part): Field => {
      const text = part.body.toString('latin1')
      return [partName(part), text.length <= 1000 ? withoutNumbers(text) : `sha256 ${sha256(withoutNumbers(text))}`]
    })
    .sort(byName)
}

function byName([a]: Field, [b]: Field): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}

function decode(text: string): string {
  return decodeSegment(text.replaceAll('+', ' '))
}

function decodeSegment(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text // a percent sign that encodes nothing
  }
}

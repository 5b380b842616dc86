import { bodyHash, canonicalBody, canonicalForm, canonicalPath, type CanonicalBody, type Field } from './canonical.ts'
import { parseHar } from './check-har.ts'
import type { Form } from './form.ts'
import { headerOf, renderHar, targetOf, type HarEntry } from './har.ts'
import type { KeptBody } from './keep-body.ts'
import type { JsonPath } from './json-path.ts'
import { withoutNumbers } from './placeholder.ts'
import type { NameValue } from './redactor.ts'
import { cleanTarget } from './target.ts'

/** Fields that choose what an answer holds. `Vary` of a recorded answer adds more for its request. */
const COUNTED = [
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'if-unmodified-since',
  'range',
  'soapaction',
  'upgrade',
  'x-http-method-override',
]
/** Never counted, even if `Vary` names them: secrets are equal by definition, bodies are recorded without coding, the rest is the caller's. */
const NEVER_COUNTED = new Set(['*', 'accept-encoding', 'authorization', 'cookie', 'host', 'origin', 'user-agent', ''])

/** What does not count when requests are compared. */
export interface Ignored {
  query: ReadonlySet<string>
  headers: ReadonlySet<string>
  body: readonly JsonPath[]
}

export const NOTHING_IGNORED: Ignored = { query: new Set(), headers: new Set(), body: [] }

/** A request in the form in which two are compared; placeholders have no numbers. */
export interface ComparedRequest {
  method: string
  path: string
  query: Field[]
  /** Absent where only the hash is known: the body is a file, or was left out. */
  body: CanonicalBody | undefined
  /** Of the body, ignore list applied. */
  hash: string
  /** Of the body as it is. */
  wholeHash: string
}

export function compared(
  request: { method: string; target: string; body: CanonicalBody | undefined; wholeHash: string },
  ignored: Ignored,
): ComparedRequest {
  const target = cleanTarget(request.target)
  const mark = target.indexOf('?')
  return {
    method: request.method,
    path: canonicalPath(mark < 0 ? target : target.slice(0, mark)),
    query: mark < 0 ? [] : canonicalForm(target.slice(mark + 1), (name) => ignored.query.has(name)),
    body: request.body,
    hash: request.body === undefined ? request.wholeHash : bodyHash(request.body),
    wholeHash: request.wholeHash,
  }
}

/** The request of a recorded entry. */
export function recordedRequest({ request }: HarEntry, ignored: Ignored): ComparedRequest {
  const contentType = request.postData?.mimeType
  const kept = recordedBody(request.postData)
  const body = kept === undefined ? undefined : canonicalBody(kept, contentType, ignored.body, 0)
  const whole = kept === undefined ? undefined : canonicalBody(kept, contentType, [], 0)
  const wholeHash = whole === undefined ? (request.postData?._hash ?? `file ${request.postData?._file}`) : bodyHash(whole)
  return compared({ method: request.method, target: targetOf(request.url), body, wholeHash }, ignored)
}

function recordedBody(postData: HarEntry['request']['postData']): KeptBody | undefined {
  if (postData?._omitted !== undefined || postData?._file !== undefined) return undefined
  if (postData?.text === undefined || postData.text === '') return { kind: 'none' }
  if (postData._encoding === 'base64') return { kind: 'bytes', bytes: Buffer.from(postData.text, 'base64') }
  return { kind: 'text', text: postData.text }
}

/** The request's header fields that count for this entry, with their values; an absent one is empty. */
export function countedHeaders(entry: HarEntry, fields: readonly NameValue[], ignored: Ignored): Field[] {
  const varies = (headerOf(entry.response.headers, 'vary') ?? '').split(',').map((name) => name.trim().toLowerCase())
  const names = [...COUNTED, ...varies.filter((name) => !NEVER_COUNTED.has(name))]
  return [...new Set(names)]
    .filter((name) => !ignored.headers.has(name))
    .sort()
    .map((name): Field => [name, withoutNumbers(headerOf(fields, name) ?? '')])
}

const keys = new WeakMap<HarEntry, string>()
const answers = new WeakMap<HarEntry, string>()

/** HAR entries as a store keeps them: by path, so that what belongs together stands together. */
export const harForm: Form<HarEntry> = {
  parse: parseHar,
  render: renderHar,
  keyOf: (entry) => remembered(keys, entry, makeKey),
  answerOf: (entry) => remembered(answers, entry, makeAnswer),
  repeatsOf: (entry) => entry._repeats ?? 1,
  withRepeats: (entry, repeats) => ({ ...entry, _repeats: repeats }),
  files: (entry) => [entry.request.postData?._file, entry.response.content._file].filter((name) => name !== undefined),
}

function makeKey(entry: HarEntry): string {
  const { path, method, query, wholeHash } = recordedRequest(entry, NOTHING_IGNORED)
  const headers = countedHeaders(entry, entry.request.headers, NOTHING_IGNORED).filter(([, value]) => value !== '')
  return JSON.stringify([path, method, query, headers, wholeHash])
}

function makeAnswer({ response, _webSocketMessages, _omitted }: HarEntry): string {
  return JSON.stringify([response, _webSocketMessages, _omitted])
}

function remembered(memory: WeakMap<HarEntry, string>, entry: HarEntry, make: (entry: HarEntry) => string): string {
  const known = memory.get(entry)
  if (known !== undefined) return known
  const made = make(entry)
  memory.set(entry, made)
  return made
}

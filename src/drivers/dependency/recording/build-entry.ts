import type { RawHeaders, RequestHead, ResponseHead } from '../exchange.ts'
import { bodyHash, canonicalBody, sha256 } from './canonical.ts'
import { LARGEST_INLINE, type GatheredBody } from './gather-body.ts'
import {
  NO_TIME,
  headerOf,
  type HarContent,
  type HarEntry,
  type HarPostData,
  type HeldBody,
  type WebSocketMessage,
} from './har.ts'
import { keepBody, keptBytes, type KeptBody } from './keep-body.ts'
import { FIXED_BOUNDARY, withFixedBoundary } from './multipart.ts'
import { Placeholders, type KnownSecrets } from './placeholder.ts'
import type { RedactionRules } from './redaction-rules.ts'
import { Redactor, type NameValue } from './redactor.ts'
import { cleanTarget } from './target.ts'
import { steadyRequestHeaders, steadyResponseHeaders } from './volatile-headers.ts'

/** An exchange as it passed, secrets and all; in memory only. */
export interface CapturedExchange {
  request: RequestHead
  requestBody: GatheredBody
  requestTrailers: RawHeaders
  informational: ResponseHead[]
  response: ResponseHead
  responseBody: GatheredBody
  responseTrailers: RawHeaders
  webSocket?: { messages: CapturedMessage[] } | { why: string }
}

export interface CapturedMessage {
  type: 'send' | 'receive'
  opcode: number
  data: Buffer
}

export interface BuiltEntry {
  entry: HarEntry
  /** Bodies that are files of their own, by the SHA-256 of their content. */
  files: Map<string, Buffer>
}

/** How often an exchange is gone through: values that come to be known at its end are looked for at its beginning again. */
const MOST_PASSES = 3

/** The entry of an exchange, redacted. `known` carries secret values from one exchange to the next. */
export function buildEntry(
  exchange: CapturedExchange,
  dependency: string,
  rules: RedactionRules,
  known: KnownSecrets,
): BuiltEntry {
  for (let pass = 1; ; pass++) {
    const before = known.size
    const built = build(exchange, dependency, rules, known)
    if (known.size === before || pass === MOST_PASSES) return built
  }
}

function build(exchange: CapturedExchange, dependency: string, rules: RedactionRules, known: KnownSecrets): BuiltEntry {
  const asked = new Redactor(rules, new Placeholders(known))
  const files = new Map<string, Buffer>()
  const request = buildRequest(exchange, dependency, asked, files)
  // One numbering for both directions: a token that was asked for and one that was sent are seen to be the same.
  const answered = asked.next()
  const response = buildResponse(exchange, answered, files)
  const messages = exchange.webSocket === undefined ? undefined : webSocketMessages(exchange.webSocket, answered)
  const places = [...asked.places.map((place) => `request ${place}`), ...answered.places.map((place) => `response ${place}`)]
  const entry: HarEntry = {
    startedDateTime: NO_TIME,
    time: 0,
    request,
    response,
    cache: {},
    timings: { send: 0, wait: 0, receive: 0 },
    ...(messages !== undefined && ('why' in messages ? { _omitted: messages.why } : { _webSocketMessages: messages.list })),
    ...(places.length > 0 && { _redactions: places }),
  }
  return { entry, files }
}

function buildRequest(
  exchange: CapturedExchange,
  dependency: string,
  redactor: Redactor,
  files: Map<string, Buffer>,
): HarEntry['request'] {
  const { request, requestBody, requestTrailers } = exchange
  const headers = steadyRequestHeaders(redactor.headers(request.headers))
  const target = cleanTarget(redactor.target(request.target))
  const contentType = headerOf(headers, 'content-type')
  const body = kept(requestBody, headers, redactor)
  const trailers = redactor.headers(requestTrailers)
  return {
    method: request.method,
    url: `http://${dependency}${target}`,
    httpVersion: `HTTP/${request.httpVersion}`,
    cookies: cookiesOf(headers),
    headers: withBoundary(headers, body),
    queryString: queryOf(target),
    headersSize: -1,
    bodySize: -1,
    ...(body.kind !== 'none' && { postData: postData(body, contentType, requestBody, files) }),
    ...(trailers.length > 0 && { _trailers: trailers }),
  }
}

function postData(
  body: KeptBody,
  contentType: string | undefined,
  gathered: GatheredBody,
  files: Map<string, Buffer>,
): HarPostData {
  const { isBase64, ...held } = hold(body, files)
  const size = gathered.kind === 'bytes' ? gathered.bytes.length : gathered.size
  return {
    mimeType: body.kind === 'none' ? '' : fixedType(contentType ?? '', body),
    ...held,
    ...(isBase64 && { _encoding: 'base64' }),
    _hash: bodyHash(canonicalBody(body, contentType, [], size)),
  }
}

function buildResponse(exchange: CapturedExchange, redactor: Redactor, files: Map<string, Buffer>): HarEntry['response'] {
  const { request, response, responseBody, responseTrailers, informational } = exchange
  const redacted = redactor.headers(response.headers)
  const body = kept(responseBody, redacted, redactor)
  const hasBody = body.kind !== 'none' || !(request.method === 'HEAD' || response.status === 304)
  const size = sizeOf(body)
  const isChanged = redactor.places.length > 0
  const headers = steadyResponseHeaders(withBoundary(redacted, body), { length: hasBody ? size : undefined, isChanged })
  const trailers = redactor.headers(responseTrailers)
  const { isBase64, ...held } = hold(body, files)
  const content: HarContent = {
    size,
    mimeType: headerOf(headers, 'content-type') ?? '',
    ...(isBase64 && { encoding: 'base64' }),
    ...held,
  }
  return {
    status: response.status,
    statusText: response.statusText,
    httpVersion: `HTTP/${request.httpVersion}`,
    cookies: headers
      .filter(({ name }) => name.toLowerCase() === 'set-cookie')
      .map(({ value }) => nameValue(value.split(';')[0] ?? '')),
    headers,
    content,
    redirectURL: headerOf(headers, 'location') ?? '',
    headersSize: -1,
    bodySize: -1,
    ...(trailers.length > 0 && { _trailers: trailers }),
    ...(informational.length > 0 && {
      _informational: informational.map(({ status, headers }) => ({ status, headers: redactor.headers(headers) })),
    }),
  }
}

function kept(body: GatheredBody, headers: readonly NameValue[], redactor: Redactor): KeptBody {
  if (body.kind !== 'bytes') return body
  const named = { contentType: headerOf(headers, 'content-type'), contentEncoding: headerOf(headers, 'content-encoding') }
  return keepBody(body.bytes, named, redactor)
}

function sizeOf(body: KeptBody): number {
  if (body.kind === 'omitted') return 0
  return body.kind === 'file' ? body.size : keptBytes(body).length
}

function hold(body: KeptBody, files: Map<string, Buffer>): HeldBody & { isBase64: boolean } {
  if (body.kind === 'omitted') return { isBase64: false, _omitted: body.why }
  if (body.kind === 'file') return { isBase64: false, _file: body.name }
  if (body.kind === 'none') return { isBase64: false }
  const bytes = keptBytes(body)
  if (bytes.length > LARGEST_INLINE) {
    const name = sha256(bytes)
    files.set(name, bytes)
    return { isBase64: false, _file: name }
  }
  return body.kind === 'text' ? { isBase64: false, text: body.text } : { isBase64: true, text: bytes.toString('base64') }
}

function withBoundary(headers: NameValue[], body: KeptBody): NameValue[] {
  return headers.map((field) =>
    field.name.toLowerCase() === 'content-type' ? { name: field.name, value: fixedType(field.value, body) } : field,
  )
}

function fixedType(contentType: string, body: KeptBody): string {
  const start = body.kind === 'text' || body.kind === 'bytes' ? keptBytes(body).subarray(0, FIXED_BOUNDARY.length + 2) : undefined
  return start?.toString('latin1') === `--${FIXED_BOUNDARY}` ? withFixedBoundary(contentType) : contentType
}

function cookiesOf(headers: readonly NameValue[]): NameValue[] {
  const text = headers.filter(({ name }) => name.toLowerCase() === 'cookie').map(({ value }) => value)
  return text.flatMap((value) => value.split(';').map(nameValue)).filter(({ name }) => name !== '')
}

function nameValue(pair: string): NameValue {
  const equals = pair.indexOf('=')
  return { name: pair.slice(0, Math.max(equals, 0)).trim(), value: pair.slice(equals + 1).trim() }
}

function queryOf(target: string): NameValue[] {
  const mark = target.indexOf('?')
  return mark < 0 ? [] : [...new URLSearchParams(target.slice(mark + 1))].map(([name, value]) => ({ name, value }))
}

function webSocketMessages(
  captured: NonNullable<CapturedExchange['webSocket']>,
  redactor: Redactor,
): { list: WebSocketMessage[] } | { why: string } {
  if ('why' in captured) return captured
  const list: WebSocketMessage[] = []
  for (const { type, opcode, data } of captured.messages) {
    const isText = opcode !== 2
    if (!isText && redactor.isSecret(data)) return { why: 'a binary message holds a secret' }
    const text = isText ? redactor.text(data.toString('utf8')) : data.toString('base64')
    list.push({ type, time: 0, opcode, data: text })
  }
  return { list }
}

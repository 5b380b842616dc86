import { constants, type Http2Stream, type OutgoingHttpHeaders } from 'node:http2'

/** Not for HTTP/2 (RFC 9113, 8.2.2), whatever a rule adds; `te` only as `trailers`, which is set where it is due. */
const NEVER = new Set([
  'connection',
  'host',
  'http2-settings',
  'keep-alive',
  'proxy-connection',
  'te',
  'transfer-encoding',
  'upgrade',
])
/** Node takes these once only. */
const SINGLE = new Set([
  'content-length',
  'content-type',
  'date',
  'etag',
  'location',
  'server',
  'user-agent',
  'age',
  'expires',
  'referer',
  'from',
  'last-modified',
  'max-forwards',
  'retry-after',
  'authorization',
  'content-encoding',
  'content-language',
  'content-location',
  'content-md5',
  'content-range',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'if-unmodified-since',
  'access-control-allow-credentials',
  'access-control-max-age',
  'access-control-request-method',
  'dnt',
  'proxy-authorization',
  'range',
  'tk',
  'upgrade-insecure-requests',
  'x-content-type-options',
])

/** Raw headers in the form that Node's HTTP/2 takes: lower case, duplicates as lists, in the order of their first. */
export function toHttp2Headers(raw: readonly string[], first: OutgoingHttpHeaders = {}): OutgoingHttpHeaders {
  const headers: OutgoingHttpHeaders = { ...first }
  for (let index = 0; index < raw.length; index += 2) {
    const name = raw[index]!.toLowerCase()
    const value = raw[index + 1]!
    if (NEVER.has(name)) continue
    const before = headers[name]
    if (before === undefined) headers[name] = value
    else if (SINGLE.has(name)) continue
    else if (Array.isArray(before)) before.push(value)
    else headers[name] = [String(before), value]
  }
  return headers
}

/** Trailers that Node does not take end the stream as broken, and nothing else. */
export function sendTrailers(stream: Http2Stream, raw: readonly string[]): void {
  try {
    stream.sendTrailers(toHttp2Headers(raw))
  } catch {
    stream.close(constants.NGHTTP2_INTERNAL_ERROR)
  }
}

/** What Node tells as raw headers of HTTP/2, without the pseudo-headers. */
export function toRawHeaders(raw: readonly string[]): string[] {
  const headers: string[] = []
  for (let index = 0; index < raw.length; index += 2) {
    if (!raw[index]!.startsWith(':')) headers.push(raw[index]!, raw[index + 1]!)
  }
  return headers
}

import { MalformedError, headersOf, type ParsedRequest, type ParsedResponse } from './head.ts'
import type { BodyLength } from './message.ts'

const LENGTH = /^\d{1,15}$/

/** How long a request's body is (RFC 9112, 6.3). Throws MalformedError for whatever two readers could take in two ways. */
export function requestBodyLength({ headers, version }: ParsedRequest): BodyLength {
  const length = framingOf(headers, version)
  return length === undefined ? 'none' : length
}

/** How an answer's body ends: by its length, by its chunks, by the connection's end, or there is none. Throws MalformedError. */
export function responseFraming(
  { headers, version, status }: ParsedResponse,
  method: string,
): { length: BodyLength; isChunked: boolean; isUntilClose: boolean } {
  const length = framingOf(headers, version)
  if (method === 'HEAD' || status < 200 || status === 204 || status === 304)
    return { length: 'none', isChunked: false, isUntilClose: false }
  if (length === undefined) return { length: 'unknown', isChunked: false, isUntilClose: true }
  return { length, isChunked: length === 'unknown', isUntilClose: false }
}

/** Undefined when the head says nothing of a body. */
function framingOf(headers: readonly string[], version: '1.0' | '1.1'): number | 'unknown' | undefined {
  const codings = headersOf(headers, 'transfer-encoding')
  const lengths = headersOf(headers, 'content-length')
  if (codings.length > 0) {
    if (lengths.length > 0) throw new MalformedError('it has both Content-Length and Transfer-Encoding')
    if (version === '1.0') throw new MalformedError('it has Transfer-Encoding in HTTP/1.0')
    if (codings.length > 1 || codings[0]!.toLowerCase() !== 'chunked')
      throw new MalformedError('its Transfer-Encoding is something else than chunked', 501)
    return 'unknown'
  }
  if (lengths.length === 0) return undefined
  if (lengths.length > 1) throw new MalformedError('it has several Content-Length')
  if (!LENGTH.test(lengths[0]!)) throw new MalformedError('its Content-Length is not a number')
  return Number(lengths[0])
}

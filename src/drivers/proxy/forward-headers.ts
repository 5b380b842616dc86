import type { IncomingMessage } from 'node:http'

const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'transfer-encoding',
  'upgrade',
  'expect',
  'http2-settings',
])
/** Said anew, whatever the client said: the one Host that was looked at, and the client's address. */
const OWN = new Set(['host', 'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto', 'x-forwarded-port'])
/** Says where a body ends: not a client's `Connection` header to take away, else the body is read as a request of its own. */
const FRAMING = 'content-length'

/**
 * Headers for the service: the client's own, in their case and order, less those of this hop, with what the front door knows of the
 * client. A body without a length is chunked again, for any method.
 */
export function requestHeaders(request: IncomingMessage): string[] {
  const { remoteAddress, localPort } = request.socket
  const host = request.headers.host ?? ''
  const headers = ['Host', host, ...endToEnd(request, OWN)]
  if (request.headers['transfer-encoding'] !== undefined) headers.push('Transfer-Encoding', 'chunked')
  headers.push('X-Forwarded-For', append(request.headers['x-forwarded-for'], remoteAddress ?? ''))
  headers.push('X-Forwarded-Host', host, 'X-Forwarded-Proto', 'http', 'X-Forwarded-Port', String(localPort))
  return headers
}

/** Headers for the client. */
export function responseHeaders(response: IncomingMessage, servedBy: string): string[] {
  return [...endToEnd(response), 'shiv-served-by', servedBy]
}

/** Whether a request carries a body. */
export function hasBody(request: IncomingMessage): boolean {
  return request.headers['transfer-encoding'] !== undefined || Number(request.headers['content-length'] ?? 0) > 0
}

function endToEnd(message: IncomingMessage, without?: ReadonlySet<string>): string[] {
  const named = new Set((message.headers.connection ?? '').toLowerCase().split(/\s*,\s*/))
  const kept: string[] = []
  for (let index = 0; index < message.rawHeaders.length; index += 2) {
    const name = message.rawHeaders[index]!.toLowerCase()
    if (HOP_BY_HOP.has(name) || (named.has(name) && name !== FRAMING) || without?.has(name)) continue
    kept.push(message.rawHeaders[index]!, message.rawHeaders[index + 1]!)
  }
  return kept
}

function append(before: string | string[] | undefined, address: string): string {
  return before === undefined ? address : `${String(before)}, ${address}`
}

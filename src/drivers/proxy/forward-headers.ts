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
const FORWARDED = new Set(['x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto', 'x-forwarded-port'])

/** Headers for the service: the client's own, in their case and order, less those of this hop, with what the front door knows of the client. */
export function requestHeaders(request: IncomingMessage): string[] {
  const headers = endToEnd(request, FORWARDED)
  const { remoteAddress, localPort } = request.socket
  const host = request.headers.host ?? ''
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
    if (HOP_BY_HOP.has(name) || named.has(name) || without?.has(name)) continue
    kept.push(message.rawHeaders[index]!, message.rawHeaders[index + 1]!)
  }
  return kept
}

function append(before: string | string[] | undefined, address: string): string {
  return before === undefined ? address : `${String(before)}, ${address}`
}

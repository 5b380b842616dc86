import { STATUS_CODES } from 'node:http'
import type { ResponseHead } from '../exchange.ts'
import type { BodyLength, OutboundHead } from './message.ts'

/** An answer's head as HTTP/1.1 text. A body of unknown length is chunked, or ends with the connection (`isLast`) for HTTP/1.0. */
export function responseText(head: ResponseHead, length: BodyLength, version: '1.0' | '1.1', isLast: boolean): string {
  let text = `HTTP/1.1 ${head.status} ${head.statusText || (STATUS_CODES[head.status] ?? '')}\r\n${fieldsText(head.headers)}`
  if (length === 'unknown' && version === '1.1') text += 'Transfer-Encoding: chunked\r\n'
  else if (typeof length === 'number') text += `Content-Length: ${length}\r\n`
  if (isLast) text += 'Connection: close\r\n'
  else if (version === '1.0') text += 'Connection: keep-alive\r\n'
  return `${text}\r\n`
}

/** An interim answer, or 101 with the protocol that was agreed on. */
export function interimText(head: ResponseHead, upgrade?: string): string {
  const agreed = upgrade === undefined ? '' : `Connection: Upgrade\r\nUpgrade: ${upgrade}\r\n`
  return `HTTP/1.1 ${head.status} ${head.statusText || (STATUS_CODES[head.status] ?? '')}\r\n${agreed}${fieldsText(head.headers)}\r\n`
}

/** A request's head as HTTP/1.1 text. */
export function requestText(head: OutboundHead): string {
  let text = `${head.method} ${head.target} HTTP/1.1\r\nHost: ${head.authority}\r\n${fieldsText(head.headers)}`
  if (head.bodyLength === 'unknown') text += 'Transfer-Encoding: chunked\r\n'
  else if (head.bodyLength !== 'none') text += `Content-Length: ${head.bodyLength}\r\n`
  if (head.upgrade !== undefined) text += `Connection: Upgrade\r\nUpgrade: ${head.upgrade}\r\n`
  return `${text}\r\n`
}

export function fieldsText(headers: readonly string[]): string {
  let text = ''
  for (let index = 0; index < headers.length; index += 2) text += `${headers[index]}: ${headers[index + 1]}\r\n`
  return text
}

/** One chunk's beginning; its end is `\r\n`. */
export function chunkStart(size: number): string {
  return `${size.toString(16)}\r\n`
}

export function chunkedEnd(trailers: readonly string[]): string {
  return `0\r\n${fieldsText(trailers)}\r\n`
}

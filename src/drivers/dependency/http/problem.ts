import type { ServedBy } from '../../../engine/dependency-ports.ts'
import type { Failure } from './failure.ts'
import { headerOf } from './head.ts'
import type { Inbound } from './message.ts'

/** gRPC's codes by what HTTP calls it. */
const GRPC_CODES: Record<number, number> = { 400: 3, 403: 7, 421: 7, 408: 4, 504: 4, 501: 12 }

/** Answers a failure in the form that its protocol has for it: problem details (RFC 9457), or gRPC's status. Returns the status for the event. */
export function answerProblem(
  inbound: Inbound,
  failure: Failure,
  dependency: string,
  servedBy: ServedBy,
  more: string[] = [],
): string {
  if (isGrpc(inbound)) return answerGrpc(inbound, failure, servedBy)
  const { status, code, message, cause, hint, details } = failure
  const body = Buffer.from(
    `${JSON.stringify({ type: 'about:blank', title: titleOf(status), status, detail: message, code, dependency, cause, hint, ...details }, undefined, 2)}\n`,
  )
  const headers = ['Content-Type', 'application/problem+json', 'Cache-Control', 'no-store', 'shiv-served-by', servedBy, ...more]
  inbound.respond({ status, statusText: '', headers }, body.length)
  if (inbound.method !== 'HEAD') inbound.write(body)
  inbound.end([])
  return String(status)
}

export function isGrpc({ version, headers }: Inbound): boolean {
  return version === '2.0' && headerOf(headers, 'content-type')?.startsWith('application/grpc') === true
}

function answerGrpc(inbound: Inbound, { status, code, message, hint }: Failure, servedBy: ServedBy): string {
  const grpcStatus = String(GRPC_CODES[status] ?? 14)
  const text = `${code}: ${message}${hint === undefined ? '' : ` ${hint}`}`
  const headers = [
    'content-type',
    'application/grpc',
    'grpc-status',
    grpcStatus,
    'grpc-message',
    encoded(text),
    'shiv-served-by',
    servedBy,
  ]
  inbound.respond({ status: 200, statusText: '', headers }, 'none')
  inbound.end([])
  return grpcStatus
}

/** As gRPC has its messages: UTF-8, percent-encoded outside of visible ASCII. */
function encoded(text: string): string {
  return Array.from(Buffer.from(text), (byte) =>
    byte >= 0x20 && byte <= 0x7e && byte !== 0x25
      ? String.fromCharCode(byte)
      : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`,
  ).join('')
}

function titleOf(status: number): string {
  if (status === 403 || status === 421) return 'Refused by the dependency proxy'
  if (status < 500) return 'Not a request that the dependency proxy takes'
  return 'The dependency could not answer'
}

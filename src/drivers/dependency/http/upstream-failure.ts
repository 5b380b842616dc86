import type { Upstream } from '../../../engine/dependency-ports.ts'
import { ShivError } from '../../../core/errors.ts'
import type { Failure } from './failure.ts'

type SystemError = NodeJS.ErrnoException & { reason?: string }

const EXPIRED = new Set(['CERT_HAS_EXPIRED', 'CERT_NOT_YET_VALID'])
const UNTRUSTED = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
])

/** What a connection that could not be made means to the one who asked. */
export function dialFailure(error: unknown, { url, label }: Upstream): Failure {
  if (error instanceof ShivError) return { status: 502, code: error.code, message: error.message, hint: error.hint }
  const system = (error instanceof AggregateError ? (error.errors[0] as unknown) : error) as SystemError
  const cause = system.message
  const host = url.hostname.replace(/^\[|\]$/g, '')
  const port = portOf(url)
  const show = `openssl s_client -connect ${host}:${port} -servername ${host} </dev/null | openssl x509 -noout -subject -issuer -dates -ext subjectAltName`
  switch (system.code) {
    case 'ECONNREFUSED':
      return {
        status: 502,
        code: 'PROXY_UPSTREAM_REFUSED',
        message: `${label} refuses connections at ${host}:${port}.`,
        cause,
        hint: `is it running there? curl -sv ${url.origin}/`,
      }
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
    case 'ENODATA':
      return {
        status: 502,
        code: 'PROXY_UPSTREAM_DNS',
        message: `The name ${host} of ${label} is not known here now.`,
        cause,
        hint: `is the VPN up? getent hosts ${host}`,
      }
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return {
        status: 502,
        code: 'PROXY_TLS_WRONG_HOST',
        message: `The certificate of ${label} is not for ${host}.`,
        cause: system.reason ?? cause,
        hint: `see whom it is for: ${show}`,
      }
    default:
  }
  if (EXPIRED.has(system.code ?? ''))
    return {
      status: 502,
      code: 'PROXY_TLS_EXPIRED',
      message: `The certificate of ${label} is not valid at this time.`,
      cause,
      hint: `see its dates: ${show}`,
    }
  if (UNTRUSTED.has(system.code ?? ''))
    return {
      status: 502,
      code: 'PROXY_TLS_UNTRUSTED',
      message: `The certificate of ${label} comes from an authority that is not trusted here.`,
      cause,
      hint: `if it is the right one, name its authority's file as \`ca\` of the dependency; see who issued it: ${show}`,
    }
  if (/^ERR_SSL_|^EPROTO$/.test(system.code ?? ''))
    return {
      status: 502,
      code: 'PROXY_TLS_FAILED',
      message: `TLS with ${label} at ${host}:${port} could not be agreed on.`,
      cause,
      hint: `see what it speaks: openssl s_client -connect ${host}:${port} -servername ${host} </dev/null`,
    }
  return {
    status: system.code === 'ETIMEDOUT' ? 504 : 502,
    code: 'PROXY_UPSTREAM_UNREACHABLE',
    message: `${label} at ${host}:${port} cannot be reached.`,
    cause,
    hint: `is the VPN up? curl -sv ${url.origin}/`,
  }
}

export function connectTimeout({ url, label }: Upstream, ms: number): Failure {
  return {
    status: 504,
    code: 'PROXY_CONNECT_TIMEOUT',
    message: `${label} at ${url.host} did not take a connection within ${ms} ms.`,
    cause: 'connect timeout',
    hint: `is the VPN up? curl -sv --max-time 10 ${url.origin}/`,
  }
}

/** The connection ended or broke before the answer was whole. */
export function brokenFailure({ label }: Upstream, error: Error | undefined): Failure {
  return {
    status: 502,
    code: 'PROXY_UPSTREAM_BROKE_OFF',
    message: `${label} closed the connection before its answer was whole.`,
    cause: error?.message ?? 'connection closed',
    hint: 'look at its log of this moment; shiv proxy tail shows what came before',
  }
}

export function invalidAnswer({ label }: Upstream, reason: string): Failure {
  return {
    status: 502,
    code: 'PROXY_UPSTREAM_INVALID',
    message: `${label} answered with something that is not valid HTTP.`,
    cause: reason,
    hint: 'what it sends must follow RFC 9112; a client that takes it anyway can be misled',
  }
}

/** The port that a URL leads to. */
export function portOf(url: URL): number {
  return url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port)
}

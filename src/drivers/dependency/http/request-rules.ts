import type { Upstream } from '../../../engine/dependency-ports.ts'
import type { HttpRules } from '../../../plan/remote.ts'
import { endToEnd } from './hop-by-hop.ts'
import { listHas } from './head.ts'
import type { Inbound, OutboundHead } from './message.ts'
import type { PathMap } from './rewrite.ts'

/** Makes the head that goes to the upstream. */
export type MakeOutbound = (inbound: Inbound, token: string | undefined) => OutboundHead

export function createRequestRules(rules: HttpRules, upstream: Upstream, paths: PathMap): MakeOutbound {
  const set = Object.entries(rules.request?.set ?? {})
  const dropped = new Set([
    'host',
    ...[...set.map(([name]) => name), ...(rules.request?.remove ?? [])].map((name) => name.toLowerCase()),
  ])
  const setHost = set.find(([name]) => name.toLowerCase() === 'host')?.[1]
  const added = set.flatMap(([name, value]) => (name.toLowerCase() === 'host' ? [] : [name, value]))
  const { host = 'upstream' } = rules
  const hasAuth = rules.auth !== undefined
  if (hasAuth) dropped.add('authorization')

  return (inbound, token) => {
    const headers: string[] = []
    const own = endToEnd(inbound.headers)
    for (let index = 0; index < own.length; index += 2) {
      if (!dropped.has(own[index]!.toLowerCase())) headers.push(own[index]!, own[index + 1]!)
    }
    for (const piece of added) headers.push(piece)
    if (token !== undefined) headers.push('Authorization', `Bearer ${token}`)
    if (rules.forwarded) addForwarded(headers, inbound)
    // Whether trailers are wanted is said hop by hop; they are passed, so it is too.
    if (inbound.version === '1.1' && listHas(inbound.headers, 'te', 'trailers'))
      headers.push('TE', 'trailers', 'Connection', 'TE')
    return {
      method: inbound.method,
      target: paths.out(inbound.target),
      authority:
        setHost ??
        (host === 'upstream' ? upstream.url.host : host === 'local' ? inbound.authority || upstream.url.host : host.name),
      headers,
      bodyLength: inbound.bodyLength,
      upgrade: inbound.upgrade,
    }
  }
}

/** Adds this hop at the end of what the service said of those before (RFC 7239). */
function addForwarded(headers: string[], inbound: Inbound): void {
  const address = (inbound.remoteAddress ?? 'unknown').replace(/^::ffff:/, '')
  const scheme = inbound.isSecure ? 'https' : 'http'
  const node = address.includes(':') ? `"[${address}]"` : address
  const host =
    inbound.authority === ''
      ? ''
      : `;host=${/^[\w.-]+$/.test(inbound.authority) ? inbound.authority : JSON.stringify(inbound.authority)}`
  append(headers, 'Forwarded', `for=${node}${host};proto=${scheme}`)
  append(headers, 'X-Forwarded-For', address)
  replace(headers, 'X-Forwarded-Host', inbound.authority)
  replace(headers, 'X-Forwarded-Proto', scheme)
}

function append(headers: string[], name: string, value: string): void {
  const before = takeOut(headers, name)
  headers.push(name, [...before, value].join(', '))
}

function replace(headers: string[], name: string, value: string): void {
  takeOut(headers, name)
  headers.push(name, value)
}

function takeOut(headers: string[], name: string): string[] {
  const taken: string[] = []
  for (let index = headers.length - 2; index >= 0; index -= 2) {
    if (headers[index]!.toLowerCase() === name.toLowerCase()) taken.unshift(headers.splice(index, 2)[1]!)
  }
  return taken
}

import type { Failure } from './failure.ts'
import { headerOf } from './head.ts'
import type { Inbound } from './message.ts'

/** Refuses what a page in the user's browser sends: by the name that it was asked for (DNS rebinding), and by what browsers say of a request's origin. */
export interface BrowserGuard {
  check(inbound: Inbound): Failure | undefined
}

/** `names` are the hosts, without port, under which the dependency is asked for. */
export function createBrowserGuard(dependency: string, names: Iterable<string>): BrowserGuard {
  const own = new Set([...names].map((name) => name.toLowerCase()))
  // Nearly every request says the same one.
  const known = { here: new Set<string>(), pods: new Set<string>() }

  /** From this machine a page may come, and a name such as `billing.shop` may be a domain that leads here today: such names are for pods. */
  const isOwn = (authority: string, from: 'here' | 'pods'): boolean => {
    if (known[from].has(authority)) return true
    const host = hostOf(authority)
    if (host === undefined || !(own.has(host) || isLoopback(host))) return false
    if (from === 'here' && !isLoopback(host) && mayBePublic(host)) return false
    if (known[from].size < 64) known[from].add(authority)
    return true
  }

  return {
    check(inbound) {
      const { headers, authority } = inbound
      // Browsers do not trust the authority that only pods and processes of the run are told of.
      const from = isFromHere(inbound.remoteAddress) && !inbound.isSecure ? 'here' : 'pods'
      if (!(isOwn(authority, from) || (authority === '' && inbound.version === '1.0')))
        return {
          status: 421,
          code: 'PROXY_HOST_REFUSED',
          message: `This port leads to ${dependency} and not to ${authority === '' ? 'a host without a name' : authority.slice(0, 200)}.`,
          cause: 'Host is none of its names',
          hint: `ask for it as ${dependency} or localhost`,
        }
      const origin = headerOf(headers, 'origin')
      const site = headerOf(headers, 'sec-fetch-site')?.toLowerCase()
      const isForeign = origin !== undefined && !isOwnPage(/^https?:\/\/([^/]*)$/i.exec(origin)?.[1] ?? '')
      if (!isForeign && site !== 'cross-site') return undefined
      return {
        status: 403,
        code: 'PROXY_BROWSER_REFUSED',
        message: `A page of another site (${(origin ?? 'not said').slice(0, 200)}) asks for ${dependency}: pages may not use this port.`,
        cause: isForeign ? 'Origin is another site' : 'Sec-Fetch-Site: cross-site',
        hint: 'let the service ask, and the page ask the service',
      }
    },
  }
}

/** The names under which a dependency is asked for: those of this machine, `hosts`, and its upstream's own. */
export function namesOf(dependency: string, upstreamHost: string | undefined, hosts: readonly string[]): string[] {
  return [dependency, `${dependency}.localhost`, ...hosts, ...(upstreamHost === undefined ? [] : [upstreamHost])]
}

function hostOf(authority: string): string | undefined {
  const match = /^(\[[0-9a-f:.]+\]|[^:[\]@]+)(?::\d{1,5})?$/i.exec(authority)
  return match?.[1]?.toLowerCase().replace(/\.$/, '')
}

/** A page of this machine; other names may be anybody's. */
function isOwnPage(authority: string): boolean {
  const host = hostOf(authority)
  return host !== undefined && isLoopback(host)
}

function isFromHere(address: string | undefined): boolean {
  return address === undefined || address === '::1' || /^(?:::ffff:)?127\./.test(address)
}

function mayBePublic(host: string): boolean {
  return host.includes('.') && !/\.(?:svc|cluster\.local)$/.test(host)
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '127.0.0.1' || host === '[::1]' || host.endsWith('.localhost')
}

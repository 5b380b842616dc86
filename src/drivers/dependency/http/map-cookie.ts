import type { PathMap } from './rewrite.ts'

/**
 * Makes a cookie of the upstream one of the local name: without its domain (then it is the host's that was asked), without `Secure` where the
 * service asks by plain HTTP, and with its path moved back. One whose name demands `Secure` (`__Secure-`, `__Host-`) keeps it.
 */
export function mapCookie(cookie: string, upstreamHost: string | undefined, isSecure: boolean, paths: PathMap): string {
  const [pair = '', ...attributes] = cookie.split(';')
  const mustBeSecure = isSecure || /^\s*__(Secure|Host)-/i.test(pair)
  const kept: string[] = []
  for (const attribute of attributes) {
    const [name = '', value = ''] = attribute.split('=', 2).map((text) => text.trim())
    const lower = name.toLowerCase()
    if (lower === 'domain' && isDomainOf(value, upstreamHost)) continue
    if (lower === 'secure' && !mustBeSecure) continue
    // Browsers drop SameSite=None that is not Secure, and the cookie with it.
    if (lower === 'samesite' && value.toLowerCase() === 'none' && !mustBeSecure) continue
    kept.push(lower === 'path' && value.startsWith('/') ? ` Path=${paths.back(value)}` : attribute)
  }
  return [pair, ...kept].join(';')
}

function isDomainOf(domain: string, host: string | undefined): boolean {
  const bare = domain.toLowerCase().replace(/^\./, '')
  return host === undefined || host === bare || host.endsWith(`.${bare}`)
}

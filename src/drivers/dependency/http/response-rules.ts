import type { HttpRules } from '../../../plan/remote.ts'
import type { ResponseHead } from '../exchange.ts'
import { mapCookie } from './map-cookie.ts'
import type { Inbound } from './message.ts'
import type { PathMap } from './rewrite.ts'

/** Makes the head that the service gets. `servedBy` is what `shiv-served-by` says. */
export type MapAnswer = (head: ResponseHead, inbound: Inbound, servedBy: string) => ResponseHead

/** `upstream` is the URL that redirects and cookies are mapped from; absent in a replay without one. */
export function createResponseRules(rules: HttpRules, upstream: URL | undefined, paths: PathMap): MapAnswer {
  const set = Object.entries(rules.response?.set ?? {})
  // Other ways to the same place lead past the proxy.
  const dropped = new Set(
    ['alt-svc', 'shiv-served-by', ...set.map(([name]) => name), ...(rules.response?.remove ?? [])].map((name) =>
      name.toLowerCase(),
    ),
  )
  const added = set.flat()

  return ({ status, statusText, headers }, inbound, servedBy) => {
    const mapped: string[] = []
    for (let index = 0; index < headers.length; index += 2) {
      const name = headers[index]!
      const lower = name.toLowerCase()
      if (dropped.has(lower)) continue
      let value = headers[index + 1]!
      if (upstream && (lower === 'location' || lower === 'content-location')) value = mapLocation(value, upstream, inbound, paths)
      else if (lower === 'set-cookie') value = mapCookie(value, upstream?.hostname, inbound.isSecure, paths)
      mapped.push(name, value)
    }
    for (const piece of added) mapped.push(piece)
    mapped.push('shiv-served-by', servedBy)
    return { status, statusText, headers: mapped }
  }
}

/** A place at the upstream becomes the same place here; any other stays as it is. */
function mapLocation(value: string, upstream: URL, inbound: Inbound, paths: PathMap): string {
  if (value.startsWith('/') && !value.startsWith('//')) return paths.back(value)
  if (!/^([a-z][a-z0-9+.-]*:)?\/\//i.test(value) || !URL.canParse(value, upstream.href)) return value
  const place = new URL(value, upstream.href)
  if (place.origin !== originOf(upstream) || place.username !== '') return value
  const path = paths.back(place.pathname + place.search + place.hash)
  return inbound.authority === '' ? path : `${inbound.isSecure ? 'https' : 'http'}://${inbound.authority}${path}`
}

function originOf(url: URL): string {
  return url.protocol === 'https:' || url.protocol === 'http:' ? url.origin : `http://${url.host}`
}

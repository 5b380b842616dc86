/**
 * The name that a Host header asks for: `orders` of `orders.localhost:7777`, '' for this machine itself, undefined for any other host.
 * Whatever is not of this machine is refused: a page of another site whose name resolves to 127.0.0.1 must not reach the services.
 */
export function nameOfHost(header: string | undefined): string | undefined {
  const host = header?.toLowerCase().replace(/:\d+$/, '').replace(/\.$/, '')
  if (host === 'localhost' || host === '127.0.0.1' || host === '[::1]') return ''
  if (host === undefined || !host.endsWith('.localhost')) return undefined
  const name = host.slice(0, -'.localhost'.length)
  return /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/.test(name) ? name : undefined
}

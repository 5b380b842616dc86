/** Of one connection only (RFC 9110, 7.6.1), with what is made anew on each. `trailer` stays: its trailers are passed. */
const HOP_BY_HOP = new Set([
  'connection',
  'content-length',
  'http2-settings',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authentication-info',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'transfer-encoding',
  'upgrade',
])
/** What a trailer may not be, since it steers how a message is read or who may send it (RFC 9110, 6.5.1). */
const NEVER_TRAILER = new Set([
  'authorization',
  'content-encoding',
  'content-range',
  'content-type',
  'cookie',
  'expect',
  'host',
  'set-cookie',
  'trailer',
])

/** The headers that concern the two ends, in case and order: without those of this hop and those that its `Connection` names. */
export function endToEnd(headers: readonly string[]): string[] {
  let named: Set<string> | undefined
  const kept: string[] = []
  for (let index = 0; index < headers.length; index += 2) {
    if (headers[index]!.length !== 10 || headers[index]!.toLowerCase() !== 'connection') continue
    for (const name of headers[index + 1]!.toLowerCase().split(/\s*,\s*/)) (named ??= new Set()).add(name)
  }
  for (let index = 0; index < headers.length; index += 2) {
    const name = headers[index]!.toLowerCase()
    if (HOP_BY_HOP.has(name) || named?.has(name)) continue
    kept.push(headers[index]!, headers[index + 1]!)
  }
  return kept
}

/** The trailers that may be passed. */
export function endToEndTrailers(trailers: readonly string[]): string[] {
  if (trailers.length === 0) return []
  const kept = endToEnd(trailers)
  return kept.flatMap((name, index) => (index % 2 === 1 || NEVER_TRAILER.has(name.toLowerCase()) ? [] : [name, kept[index + 1]!]))
}

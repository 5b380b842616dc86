/** A request's path and query as an address may hold them: what must be percent-encoded is, and `*` of `OPTIONS *` becomes a path. */
export function cleanTarget(target: string): string {
  const encoded = target.replace(/[^\x21-\x7E]|["#<>\\^`{|}]|%(?![0-9A-Fa-f]{2})/g, (sign) => encodeURIComponent(sign))
  return encoded.startsWith('/') ? encoded : `/${encoded}`
}

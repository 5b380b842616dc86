/** No punctuation beyond ASCII's: some servers fold a wide dot or slash to the plain one. */
const PLAIN = /^[A-Za-z0-9\-_.~!$&'()+,=:@ \p{L}\p{N}\p{M}]*[A-Za-z0-9\-_~!$&'()+,=:@\p{L}\p{N}\p{M}]$/u
const ASCII = /^[\x21-\x7e]*$/

/**
 * The decoded parts of a path that every server reads alike; undefined for one that some could read as another path: dots, empty parts,
 * encoded slashes, backslashes or percent signs, a dot or space at a part's end, `;` parameters, stars, control characters, broken encoding. A closing slash is an empty last part.
 */
export function plainParts(path: string): string[] | undefined {
  if (!path.startsWith('/')) return undefined
  const raw = path.slice(1).split('/')
  const parts: string[] = []
  for (const [index, part] of raw.entries()) {
    const decoded = decode(part)
    if (decoded === undefined || decoded === '.' || decoded === '..') return undefined
    if (decoded === '' ? index !== raw.length - 1 : !PLAIN.test(decoded)) return undefined
    parts.push(decoded)
  }
  return parts
}

/** Whether a path's parts are those of a pattern, in which `*` stands for one part and `**` for any number. */
export function matchesPattern(parts: readonly string[], pattern: string): boolean {
  return matches(parts, pattern.replace(/^\//, '').split('/'))
}

function matches(parts: readonly string[], pattern: readonly string[]): boolean {
  const [first, ...others] = pattern
  if (first === undefined) return parts.length === 0
  if (first === '**')
    return Array.from({ length: parts.length + 1 }, (_, taken) => taken).some((taken) => matches(parts.slice(taken), others))
  const [part, ...rest] = parts
  if (part === undefined) return false
  return (first === '*' ? part !== '' : first === part) && matches(rest, others)
}

function decode(part: string): string | undefined {
  if (!ASCII.test(part)) return undefined
  if (!part.includes('%')) return part
  try {
    return decodeURIComponent(part)
  } catch {
    return undefined // not UTF-8: whatever a server makes of it
  }
}

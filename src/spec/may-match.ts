const NEVER = /(?!)/
const ALWAYS = /(?:)/

/**
 * A pattern that matches at least every path that one of some ignore patterns may match, and few others: asking it first spares most paths the
 * exact question. A path is matched only where one of its parts matches the last part of a pattern that is more than a wildcard.
 */
export function mayMatch(patterns: string[]): RegExp {
  const parts = new Set<string>()
  for (const pattern of patterns) {
    if (pattern.startsWith('!')) continue
    const part = lastPart(pattern)
    if (part === undefined) return ALWAYS
    parts.add(part)
  }
  return parts.size === 0 ? NEVER : new RegExp(`(?:^|/)(?:${[...parts].join('|')})(?:/|$)`, 'i')
}

/** The source of an expression; undefined when anything may match. */
function lastPart(pattern: string): string | undefined {
  if (/[{}()]|\[[^\]]*\/|(^|\/)\.\.?(\/|$)/.test(pattern)) return undefined
  const last = pattern
    .trimEnd()
    .split('/')
    .findLast((part) => !/^\**$/.test(part))
  if (last === undefined) return undefined
  const bracket = last.indexOf('[')
  const sure = bracket < 0 ? last : `${last.slice(0, bracket)}*`
  return sure
    .replace(/\\.?/g, '?')
    .replace(/[.+^$|\]]/g, '\\$&')
    .replaceAll('?', '[^/]{0,2}')
    .replace(/\*+/g, '[^/]*')
}

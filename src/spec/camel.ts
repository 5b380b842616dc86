/** Fields whose values are the preset author's own: the keys below them stay as they are. */
const FREE = new Set(['env', 'offers', 'offers_when_sole', 'quota', 'reload'])

/** Renames the fields of a checked preset from snake_case to camelCase, deeply. */
export function camelCaseFields(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(camelCaseFields)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [
      key.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()),
      FREE.has(key) ? inner : camelCaseFields(inner),
    ]),
  )
}

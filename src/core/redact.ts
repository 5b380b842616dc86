/** Shorter values are left alone: hiding every `1` or `dev` of a text would hide the text. */
const SHORTEST = 5
const MASK = '«redacted»'

/** Knows the secret values of this process and takes them out of whatever leaves it. */
export interface Redactor {
  add(value: string | undefined): void
  text(text: string): string
  /** Every string within a JSON-like value, keys aside. */
  deep<T>(value: T): T
}

export function createRedactor(): Redactor {
  const values = new Set<string>()
  let pattern: RegExp | undefined

  const text = (input: string): string => (pattern === undefined ? input : input.replace(pattern, MASK))
  const deep = (input: unknown): unknown => {
    if (typeof input === 'string') return text(input)
    if (Array.isArray(input)) return input.map(deep)
    if (typeof input !== 'object' || input === null) return input
    return Object.fromEntries(Object.entries(input).map(([key, value]) => [key, deep(value)]))
  }
  return {
    add(value) {
      if (value === undefined || value.length < SHORTEST) return
      for (const form of [value, encodeURIComponent(value), JSON.stringify(value).slice(1, -1)]) values.add(form)
      const longestFirst = [...values].sort((a, b) => b.length - a.length)
      pattern = new RegExp(longestFirst.map(escapeRegExp).join('|'), 'g')
    },
    text,
    deep: <T>(input: T) => (pattern === undefined ? input : (deep(input) as T)),
  }
}

function escapeRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)
}

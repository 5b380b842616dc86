import { ShivError } from '../../../core/errors.ts'

export type JsonStep = string | number

type Part = { name: JsonStep } | 'any' | 'deep'

/** Whether a place in a JSON value, `['a', 0, 'b']`, is one that a path means. */
export type JsonPath = (place: readonly JsonStep[]) => boolean

/**
 * Reads `$.a.b`, `$['a']`, `$.list[0]`, `$.list[*].id`, `$.*` and `$..id` (at any depth). What a path names is meant with all below it.
 * Throws RECORDING_RULE_INVALID.
 */
export function compileJsonPath(path: string): JsonPath {
  const parts = partsOf(path)
  return (place) => {
    for (let length = 0; length <= place.length; length++) if (fits(parts, place.slice(0, length))) return true
    return false
  }
}

/** A place as a path: `$.list[0].id`. */
export function showPlace(place: readonly JsonStep[]): string {
  const step = (name: JsonStep): string => {
    if (typeof name === 'number') return `[${name}]`
    return /^[A-Za-z_][\w-]*$/.test(name) ? `.${name}` : `[${JSON.stringify(name)}]`
  }
  return `$${place.map(step).join('')}`
}

function partsOf(path: string): Part[] {
  const parts: Part[] = []
  const token = /\.\.(?=[\w*[])|\.?\*|\[\*\]|\[(\d+)\]|\[(?:'([^']*)'|"([^"]*)")\]|\.?([\w-]+)/y
  token.lastIndex = path.startsWith('$') ? 1 : path.length + 1
  while (token.lastIndex < path.length) {
    const found = token.exec(path)
    if (found === null) break
    const [text, index, single, double, name] = found
    if (text === '..') parts.push('deep')
    else if (text.includes('*') && index === undefined && single === undefined && double === undefined) parts.push('any')
    else parts.push({ name: index === undefined ? (single ?? double ?? name ?? '') : Number(index) })
    if (token.lastIndex === path.length) return parts
  }
  throw new ShivError(`"${path}" is not a JSON path.`, {
    code: 'RECORDING_RULE_INVALID',
    exit: 2,
    hint: 'write it as $.customer.email, $.items[*].id or $..token',
  })
}

function fits(parts: readonly Part[], place: readonly JsonStep[]): boolean {
  const [part, ...rest] = parts
  if (part === undefined) return place.length === 0
  if (part === 'deep') return place.some((_, from) => fits(rest, place.slice(from)))
  const [step, ...below] = place
  if (step === undefined) return false
  // A field number of a protobuf message is written as a name.
  return (part === 'any' || String(part.name) === String(step)) && fits(rest, below)
}

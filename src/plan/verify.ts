import { isSameQuantity } from './quantity.ts'
import type { Fact, VerifiedFact } from './types.ts'

/**
 * The facts with what the live world says to each: `readings` aligns with `facts` (give `undefined` for a fact without a
 * `reading` too). A fact whose live value is not what the Plan says has drifted, and counts nothing in the score.
 */
export function verifyFacts(facts: Fact[], readings: ({ actual: unknown } | undefined)[]): VerifiedFact[] {
  return facts.map((fact, index) => {
    if (!fact.reading) return fact
    const reading = readings[index]
    if (!reading) return { ...fact, live: { verdict: 'unreadable' } }
    const verdict = contains(reading.actual, fact.reading.expect) ? 'confirmed' : 'drifted'
    return { ...fact, live: { verdict, actual: reading.actual } }
  })
}

/**
 * Whether a live value holds everything that is expected of it. What the API server adds by itself does not disturb; what it
 * writes in another form (quantities) or leaves out (empty lists and objects) is the same.
 */
export function contains(actual: unknown, expected: unknown): boolean {
  if (expected === undefined || expected === null) return true
  if (isCondition(expected)) return meets(actual, expected)
  if (Array.isArray(expected)) {
    if (expected.length === 0 && actual === undefined) return true
    return (
      Array.isArray(actual) &&
      actual.length === expected.length &&
      expected.every((member, index) => contains(actual[index], member))
    )
  }
  if (typeof expected === 'object') {
    if (Object.keys(expected).length === 0 && actual === undefined) return true
    if (actual === null || typeof actual !== 'object') return false
    return Object.entries(expected).every(([key, member]) => contains((actual as Record<string, unknown>)[key], member))
  }
  // An environment variable's empty value is left out by the API server.
  if (expected === '' && actual === undefined) return true
  return actual === expected || isSameQuantity(actual, expected)
}

interface Condition {
  $atLeast?: number
  $atMost?: number
  $startsWith?: string
  $includes?: unknown[]
  $version?: string
}

function isCondition(value: unknown): value is Condition {
  return (
    value !== null &&
    typeof value === 'object' &&
    Object.keys(value).length > 0 &&
    Object.keys(value).every((key) => key.startsWith('$'))
  )
}

function meets(actual: unknown, condition: Condition): boolean {
  const { $atLeast, $atMost, $startsWith, $includes, $version } = condition
  if ($atLeast !== undefined && !(typeof actual === 'number' && actual >= $atLeast)) return false
  if ($atMost !== undefined && !(typeof actual === 'number' && actual <= $atMost)) return false
  if ($startsWith !== undefined && !(typeof actual === 'string' && actual.startsWith($startsWith))) return false
  if ($includes !== undefined && !(Array.isArray(actual) && $includes.every((member) => actual.includes(member)))) return false
  return $version === undefined || isVersion(actual, $version)
}

/** `15.8` is a 15, and so is `v15`; `1.34.4` is a 1.34. */
function isVersion(actual: unknown, version: string): boolean {
  if (typeof actual !== 'string') return false
  const [live, wanted] = [actual, version].map((text) => text.replace(/^v/, '').split('.'))
  return wanted!.every((part, index) => live![index] === part)
}

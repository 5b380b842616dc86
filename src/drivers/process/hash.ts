import { createHash } from 'node:crypto'

/** A short name for a JSON value: another value, another hash. */
export function hashOf(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 24)
}

import { toErrorShape } from '../../../core/errors.ts'
import type { Failure } from './failure.ts'

/** What an event says of a failure. */
export function causeOf({ code, cause }: Failure): string {
  return cause === undefined ? code : `${code}: ${cause}`
}

/** What is told of a mistake in the proxy's own code. */
export function wordsOfDefect(error: unknown): string {
  const { code, message } = toErrorShape(error)
  return `${code}: ${message}`
}

/** What a token that could not be read means to the one who asked. */
export function tokenFailure(error: unknown): Failure {
  const { code, message, hint } = toErrorShape(error)
  return { status: 502, code, message, cause: 'no token for the upstream', hint }
}

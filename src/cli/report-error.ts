import { toErrorShape, type ExitCode } from '../core/errors.ts'
import { renderError } from '../core/render-fault.ts'
import type { Terminal } from './terminal.ts'

/** Prints whatever a command threw to stderr, as JSON when the answer was to be JSON; returns how the process ends. */
export function reportError(error: unknown, terminal: Terminal, json: boolean): ExitCode {
  const shape = toErrorShape(error)
  if (json) terminal.err(`${JSON.stringify({ version: 1, error: shape })}\n`)
  else terminal.err(`${renderError(shape, { color: terminal.errStyle.colour })}\n`)
  return shape.exit
}

import { formatDuration } from '../../core/duration.ts'
import type { Style } from '../../core/style.ts'
import type { StartResult } from '../../wire/messages.ts'
import { renderAccess } from './dependencies.ts'
import { doneMark } from './marks.ts'
import { formatScore } from './parity.ts'
import { renderDatabases, renderServices } from './run.ts'

/** What stands at the end of `shiv start`. */
export function renderStarted(
  { run, durationMs, substitutions, parityScore }: StartResult,
  options: { style: Style; now: number },
): string[] {
  const { style } = options
  const view = { ...options, wide: false }
  const count = substitutions.length
  const substituted = count === 0 ? 'nothing substituted' : `${count} substitution${count === 1 ? '' : 's'}`
  return [
    ...renderServices(run.services, view),
    ...renderDatabases(run.databases, view),
    ...renderAccess(run.dependencies, view),
    '',
    `  parity ${formatScore(parityScore)} of 100, ${substituted} ${style.dim('(shiv parity tells what and why)')}`,
    '',
    `${doneMark(style)} ${style.bold(run.workspace.name)} ready in ${formatDuration(durationMs)} on ${run.runtime}`,
  ]
}

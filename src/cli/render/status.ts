import type { Style } from '../../core/style.ts'
import type { RunStatus } from '../../wire/messages.ts'
import { renderRun } from './run.ts'

/** What `shiv status` prints for people. */
export function renderStatus(runs: RunStatus[], options: { style: Style; now: number; wide: boolean }): string[] {
  const isQuiet = runs.every(({ state }) => state === 'stopped')
  const shown = runs.flatMap((run, index) => [...(index > 0 ? [''] : []), ...renderRun(run, options)])
  return isQuiet ? ['nothing runs', ...shown.filter(Boolean)] : shown
}

import type { Style } from '../../core/style.ts'
import type { RunStatus } from '../../wire/messages.ts'
import { renderRun } from './run.ts'

/** What `shiv status` prints for people. */
export function renderStatus(runs: RunStatus[], options: { style: Style; now: number; wide: boolean }): string[] {
  if (runs.length === 0) return ['nothing runs']
  return runs.flatMap((run, index) => [...(index > 0 ? [''] : []), ...renderRun(run, options)])
}

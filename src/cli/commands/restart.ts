import { formatDuration } from '../../core/duration.ts'
import type { ExitCode } from '../../core/errors.ts'
import type { RestartResult } from '../../wire/messages.ts'
import type { Invocation } from '../command.ts'
import { printLines } from '../print.ts'
import { doneMark } from '../render/marks.ts'
import { maskRun } from '../render/mask.ts'
import { renderRun } from '../render/run.ts'
import { locateRun, nothingRuns } from '../runs.ts'
import { withProgress } from '../with-progress.ts'

export async function run(invocation: Invocation): Promise<ExitCode> {
  const { args, flags, cwd, terminal, signal } = invocation
  const located = await locateRun(args, cwd, signal)
  if (!located?.run) throw nothingRuns()
  const result = await withProgress<RestartResult>(invocation, { method: 'restart', params: located.place })
  const shown = flags.isOn('show-secrets') ? result : { ...result, run: maskRun(result.run) }
  if (flags.wantsJson) {
    terminal.out(`${JSON.stringify({ ...shown, kind: 'result' })}\n`)
    return 0
  }
  const { style } = terminal
  const what = args.length > 0 ? args.join(', ') : shown.run.workspace.name
  printLines(terminal, [
    ...renderRun(shown.run, { style, now: Date.now(), wide: false }),
    '',
    `${doneMark(style)} restarted ${what} in ${formatDuration(shown.durationMs)}`,
  ])
  return 0
}

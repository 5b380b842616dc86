import type { ExitCode } from '../../core/errors.ts'
import type { Invocation } from '../command.ts'
import { locateRun, nothingRuns } from '../runs.ts'
import { showLogs } from '../show-logs.ts'

export async function run(invocation: Invocation): Promise<ExitCode> {
  const { args, flags, cwd, signal } = invocation
  const located = await locateRun(args, cwd, signal)
  if (!located?.run) throw nothingRuns()
  const since = flags.number('since')
  await showLogs(invocation, {
    path: located.place.path,
    sources: located.place.services,
    follow: flags.isOn('follow'),
    tail: flags.number('tail'),
    since: since === undefined ? undefined : Date.now() - since,
  })
  return 0
}

import type { ExitCode } from '../../core/errors.ts'
import type { Invocation } from '../command.ts'
import { deployParams } from '../deploy-params.ts'
import { locateRun, nothingRuns } from '../runs.ts'
import { showLogs } from '../show-logs.ts'

export async function run(invocation: Invocation): Promise<ExitCode> {
  const { args, flags, cwd, signal } = invocation
  const since = flags.number('since')
  const tail = flags.number('tail')
  const range = {
    follow: flags.isOn('follow') || (flags.isOn('tail') && tail === undefined),
    tail,
    since: since === undefined ? undefined : Date.now() - since,
  }
  const env = flags.text('env')
  if (env !== undefined && env !== 'local') {
    await showLogs(invocation, { ...range, deployed: deployParams(invocation) })
    return 0
  }
  const located = await locateRun(args, cwd, signal)
  if (!located?.run) throw nothingRuns()
  await showLogs(invocation, { ...range, path: located.place.path, sources: located.place.services })
  return 0
}

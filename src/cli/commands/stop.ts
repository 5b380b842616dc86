import type { ExitCode } from '../../core/errors.ts'
import type { StopResult } from '../../wire/messages.ts'
import { confirm } from '../ask.ts'
import type { Invocation } from '../command.ts'
import { inputError } from '../parse.ts'
import { printLines } from '../print.ts'
import { doneMark } from '../render/marks.ts'
import { locateRun } from '../runs.ts'
import { resolvePlace } from '../workspace.ts'
import { withProgress } from '../with-progress.ts'

export async function run(invocation: Invocation): Promise<ExitCode> {
  const { args, flags, cwd, terminal, signal } = invocation
  const purge = flags.isOn('purge')
  const located = await locateRun(args, cwd, signal)
  // Data of a run that no longer runs can still be purged, so a purge goes on without one.
  if (!located?.run && !purge) return report(invocation, { version: 1, stopped: [] })
  const place = located?.place ?? resolvePlace(args, cwd)
  if (purge && !flags.isOn('yes')) {
    const what = place.services.length > 0 ? place.services.join(', ') : (located?.run?.workspace.name ?? place.path)
    if (!terminal.canAsk || flags.wantsJson) {
      throw inputError('CLI_NEEDS_YES', 'Deleting data needs a yes, and nobody is there to ask.', 'shiv stop --purge --yes')
    }
    if (!(await confirm(`Delete the data of ${what} for good?`, invocation)))
      return report(invocation, { version: 1, stopped: [] })
  }
  return report(invocation, await withProgress<StopResult>(invocation, { method: 'stop', params: { ...place, purge } }))
}

function report({ terminal, flags }: Invocation, result: StopResult): ExitCode {
  if (flags.wantsJson) terminal.out(`${JSON.stringify({ ...result, kind: 'result' })}\n`)
  else if (result.stopped.length === 0) printLines(terminal, ['nothing was stopped'])
  else
    printLines(
      terminal,
      result.stopped.map(
        ({ workspace, services, purged }) =>
          `${doneMark(terminal.style)} stopped ${workspace}: ${services.join(', ') || 'everything'}${purged ? ', data deleted' : ', data kept'}`,
      ),
    )
  return 0
}

import { formatDuration } from '../../core/duration.ts'
import type { ExitCode } from '../../core/errors.ts'
import type { TestResult } from '../../wire/messages.ts'
import type { Invocation } from '../command.ts'
import { printLines } from '../print.ts'
import { doneMark, failedMark } from '../render/marks.ts'
import { startParams } from '../start-params.ts'
import { testsFailed } from '../tests-failed.ts'
import { withProgress } from '../with-progress.ts'

export async function run(invocation: Invocation): Promise<ExitCode> {
  const { terminal, flags } = invocation
  const result = await withProgress<TestResult>(invocation, { method: 'test', params: startParams(invocation) })
  if (flags.wantsJson) terminal.out(`${JSON.stringify({ ...result, kind: 'result' })}\n`)
  else printLines(terminal, summary(result, invocation))
  const failure = testsFailed(result)
  if (failure !== undefined) throw failure
  return 0
}

function summary({ tests, untested }: TestResult, { terminal: { style } }: Invocation): string[] {
  return [
    '',
    ...tests.map(({ service, passed, durationMs, command }) => {
      const mark = passed ? doneMark(style) : failedMark(style)
      return `${mark} ${style.bold(service)} ${passed ? 'passed' : 'failed'} in ${formatDuration(durationMs)} ${style.dim(command.join(' '))}`
    }),
    ...untested.map((service) => style.dim(`${service} has no test command (reload.test)`)),
  ]
}

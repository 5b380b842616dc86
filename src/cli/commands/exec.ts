import type { ExitCode } from '../../core/errors.ts'
import { callDaemon } from '../../wire/call-daemon.ts'
import type { ExecResult } from '../../wire/messages.ts'
import type { Invocation } from '../command.ts'
import { inputError } from '../parse.ts'
import { printJson } from '../print.ts'
import { locateRun, nothingRuns } from '../runs.ts'

export async function run({ args, rest, flags, cwd, terminal, signal }: Invocation): Promise<ExitCode> {
  if (rest.length === 0) {
    throw inputError('CLI_MISSING_ARGUMENT', 'shiv exec needs a command after --.', `shiv exec ${args[0] ?? 'SERVICE'} -- env`)
  }
  const located = await locateRun(args, cwd, signal)
  if (!located?.run) throw nothingRuns()
  const result = await callDaemon<ExecResult>(
    { method: 'exec', params: { ...located.place, argv: rest } },
    { command: `shiv exec ${args.join(' ')}`, signal },
  )
  if (flags.wantsJson) printJson(terminal, result)
  else {
    terminal.out(result.stdout)
    terminal.err(result.stderr)
    if (result.code !== 0) terminal.err(`${rest[0]} ended with ${result.code}\n`)
  }
  return result.code === 0 ? 0 : 1
}

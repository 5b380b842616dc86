import { ShivError, type ExitCode } from '../../core/errors.ts'
import { callDaemon } from '../../wire/call-daemon.ts'
import type { ParityResult } from '../../wire/messages.ts'
import type { Invocation } from '../command.ts'
import { inputError } from '../parse.ts'
import { printJson, printLines } from '../print.ts'
import { formatScore, renderParity } from '../render/parity.ts'
import { paramsOfRun } from '../start-params.ts'

export async function run(invocation: Invocation): Promise<ExitCode> {
  const { flags, terminal, signal } = invocation
  const gate = flags.number('gate')
  if (gate !== undefined && gate > 100)
    throw inputError('CLI_BAD_VALUE', '--gate is a score of 0 to 100.', 'for example --gate 80')
  const params = await paramsOfRun(invocation)
  const ask = (verify: boolean) =>
    callDaemon<ParityResult>({ method: 'parity', params: { ...params, verify } }, { command: 'shiv parity', signal })
  const report = flags.isOn('no-verify') ? await ask(false) : await ask(true).catch((error) => withoutRun(error, ask))
  const passes = gate === undefined || report.score >= gate
  if (flags.wantsJson) printJson(terminal, gate === undefined ? report : { ...report, gate, passes })
  else {
    printLines(terminal, renderParity(report, { style: terminal.style, wide: flags.text('output') === 'wide' }))
    if (!passes) terminal.err(`${terminal.errStyle.red('gate')} the score ${formatScore(report.score)} is below ${gate}\n`)
  }
  return passes ? 0 : 4
}

/** Nothing runs, so nothing can be read back: the Plan alone answers, and the report says that it is not verified. */
function withoutRun(error: unknown, ask: (verify: boolean) => Promise<ParityResult>): Promise<ParityResult> {
  if (error instanceof ShivError && error.code === 'RUN_NOT_FOUND') return ask(false)
  throw error
}

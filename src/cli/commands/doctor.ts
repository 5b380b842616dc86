import type { ExitCode } from '../../core/errors.ts'
import type { DoctorResult } from '../../wire/messages.ts'
import type { Invocation } from '../command.ts'
import { printLines } from '../print.ts'
import { renderDoctor } from '../render/doctor.ts'
import { withProgress } from '../with-progress.ts'

export async function run(invocation: Invocation): Promise<ExitCode> {
  const { flags, terminal, environment } = invocation
  const params = { fix: flags.isOn('fix'), environment }
  const result = await withProgress<DoctorResult>(invocation, { method: 'doctor', params })
  if (flags.wantsJson) terminal.out(`${JSON.stringify({ ...result, kind: 'result' })}\n`)
  else printLines(terminal, renderDoctor(result, terminal.style))
  return result.checks.some(({ state }) => state === 'failed') ? 3 : 0
}

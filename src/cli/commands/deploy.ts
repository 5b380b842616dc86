import type { ExitCode } from '../../core/errors.ts'
import { callDaemon } from '../../wire/call-daemon.ts'
import type { DeployHistoryResult, DeployResult, DeployStatusResult, DryRunResult } from '../../wire/messages.ts'
import type { Invocation } from '../command.ts'
import { deployParams, withConfirmation } from '../deploy-params.ts'
import { printJson, printLines } from '../print.ts'
import { renderDryRun } from '../render/deploy-diff.ts'
import { renderDeployed, renderHistory, renderReleaseStatus } from '../render/deploy.ts'
import { withProgress } from '../with-progress.ts'

export async function run(invocation: Invocation): Promise<ExitCode> {
  const { flags } = invocation
  if (flags.isOn('status')) return status(invocation)
  if (flags.isOn('history')) return history(invocation)
  if (flags.isOn('dry-run')) return dryRun(invocation)
  const result = await withConfirmation(invocation, deployParams(invocation), (params) =>
    withProgress<DeployResult>(invocation, { method: 'deploy', params }),
  )
  showDeployed(invocation, result)
  return 0
}

/** Events came before it, one a line; the result is the last of them. */
export function showDeployed({ flags, terminal }: Invocation, result: DeployResult): void {
  if (flags.wantsJson) terminal.out(`${JSON.stringify({ ...result, kind: 'result' })}\n`)
  else printLines(terminal, renderDeployed(result, terminal.style))
}

async function status(invocation: Invocation): Promise<ExitCode> {
  const { terminal, flags, signal } = invocation
  const result = await callDaemon<DeployStatusResult>(
    { method: 'deployStatus', params: deployParams(invocation) },
    { command: 'shiv deploy --status', signal },
  )
  if (flags.wantsJson) printJson(terminal, result)
  else printLines(terminal, renderReleaseStatus(result, terminal.style, Date.now()))
  return 0
}

async function history(invocation: Invocation): Promise<ExitCode> {
  const { terminal, flags, signal } = invocation
  const result = await callDaemon<DeployHistoryResult>(
    { method: 'deployHistory', params: deployParams(invocation) },
    { command: 'shiv deploy --history', signal },
  )
  if (flags.wantsJson) printJson(terminal, result)
  else printLines(terminal, renderHistory(result, terminal.style, Date.now()))
  return 0
}

async function dryRun(invocation: Invocation): Promise<ExitCode> {
  const { terminal, flags, signal } = invocation
  const result = await callDaemon<DryRunResult>(
    { method: 'deployPlan', params: deployParams(invocation) },
    { command: 'shiv deploy --dry-run', signal },
  )
  if (flags.wantsJson) printJson(terminal, result)
  else printLines(terminal, renderDryRun(result, terminal.style))
  return 0
}

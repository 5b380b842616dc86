import type { ExitCode } from '../../core/errors.ts'
import { callDaemon } from '../../wire/call-daemon.ts'
import type { PlanResult, StartParams, StartResult } from '../../wire/messages.ts'
import type { Invocation } from '../command.ts'
import { printJson, printLines } from '../print.ts'
import { forgetLeftovers } from '../ci/leftover.ts'
import { askForSecrets, questionsOf } from '../ask-secrets.ts'
import { maskRun } from '../render/mask.ts'
import { renderPlan } from '../render/plan.ts'
import { renderStarted } from '../render/started.ts'
import { showLogs } from '../show-logs.ts'
import { startParams } from '../start-params.ts'
import { withProgress } from '../with-progress.ts'

export async function run(invocation: Invocation): Promise<ExitCode> {
  const params = startParams(invocation)
  if (invocation.flags.isOn('plan')) return showPlan(invocation, params)
  await forgetLeftovers(params.path)
  const result = await start(invocation, params)
  show(invocation, result)
  if (invocation.flags.isOn('follow')) await follow(invocation, result)
  return 0
}

async function start(invocation: Invocation, params: StartParams): Promise<StartResult> {
  try {
    return await withProgress<StartResult>(invocation, { method: 'start', params })
  } catch (error) {
    const questions = questionsOf(error)
    if (questions.length === 0 || !invocation.terminal.canAsk || invocation.flags.wantsJson) throw error
    const environment = { ...params.environment, ...(await askForSecrets(invocation, questions)) }
    return withProgress<StartResult>(invocation, { method: 'start', params: { ...params, environment } })
  }
}

function show({ flags, terminal }: Invocation, result: StartResult): void {
  const shown = flags.isOn('show-secrets') ? result : { ...result, run: maskRun(result.run) }
  // Events came before it, one a line; the result is the last of them.
  if (flags.wantsJson) terminal.out(`${JSON.stringify({ ...shown, kind: 'result' })}\n`)
  else printLines(terminal, renderStarted(shown, { style: terminal.style, now: Date.now() }))
}

async function follow(invocation: Invocation, { run }: StartResult): Promise<void> {
  const { terminal, flags } = invocation
  if (!flags.wantsJson) printLines(terminal, ['', terminal.style.dim('following; Ctrl-C leaves it running')])
  await showLogs(invocation, { path: run.workspace.root, sources: [], follow: true, since: Date.now() })
  if (!flags.wantsJson)
    printLines(terminal, ['', `${run.workspace.name} keeps running: shiv logs --follow shows it again, shiv stop ends it`])
}

async function showPlan({ flags, terminal, signal }: Invocation, params: StartParams): Promise<ExitCode> {
  const plan = await callDaemon<PlanResult>({ method: 'plan', params }, { command: 'shiv start --plan', signal })
  if (flags.wantsJson) printJson(terminal, plan)
  else printLines(terminal, renderPlan(plan, terminal.style))
  return 0
}

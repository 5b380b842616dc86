import type { ExitCode } from '../../core/errors.ts'
import { callDaemon } from '../../wire/call-daemon.ts'
import type { PlanResult } from '../../wire/messages.ts'
import type { Invocation } from '../command.ts'
import { printJson, printLines } from '../print.ts'
import { renderPlan } from '../render/plan.ts'
import { paramsOfRun } from '../start-params.ts'

export async function run(invocation: Invocation): Promise<ExitCode> {
  const { flags, terminal, signal } = invocation
  const plan = await callDaemon<PlanResult>(
    { method: 'plan', params: await paramsOfRun(invocation) },
    { command: 'shiv plan', signal },
  )
  const output = flags.text('output')
  if (flags.wantsJson) printJson(terminal, plan)
  else if (output === undefined) printLines(terminal, renderPlan(plan, terminal.style))
  else {
    if (output === 'manifests' && plan.objects.length === 0)
      terminal.err(`a Plan for ${plan.runtime} has no Kubernetes objects; try --runtime kind or --env production\n`)
    const { stringify } = await import('yaml')
    const documents = output === 'manifests' ? plan.objects : [plan]
    // Plain YAML without anchors: what kubectl and people read.
    terminal.out(documents.map((document) => stringify(document, { aliasDuplicateObjects: false, lineWidth: 0 })).join('---\n'))
  }
  return 0
}

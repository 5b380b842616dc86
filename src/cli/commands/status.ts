import type { ExitCode } from '../../core/errors.ts'
import type { Invocation } from '../command.ts'
import { printJson, printLines } from '../print.ts'
import { maskStatus } from '../render/mask.ts'
import { renderStatus } from '../render/status.ts'
import { readStatus } from '../runs.ts'
import { findWorkspace, resolvePlace } from '../workspace.ts'

export async function run({ args, flags, cwd, terminal, signal }: Invocation): Promise<ExitCode> {
  const outside = args.length === 0 && findWorkspace(cwd) === undefined
  const place = outside ? { path: cwd, services: [] } : resolvePlace(args, cwd)
  const answer = (await readStatus(place, flags.isOn('all') || outside, signal)) ?? { version: 1, daemon: null, runs: [] }
  const status = flags.isOn('show-secrets') ? answer : maskStatus(answer)
  if (flags.wantsJson) printJson(terminal, status)
  else if (flags.text('output') === 'yaml') terminal.out((await import('yaml')).stringify(status))
  else
    printLines(
      terminal,
      renderStatus(status.runs, { style: terminal.style, now: Date.now(), wide: flags.text('output') === 'wide' }),
    )
  return 0
}

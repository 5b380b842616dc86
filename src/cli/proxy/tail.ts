import { ShivError, type ExitCode } from '../../core/errors.ts'
import { callDaemon } from '../../wire/call-daemon.ts'
import type { DependencyTailResult } from '../../wire/messages.ts'
import type { Invocation } from '../command.ts'
import { renderDependencyEvent } from '../render/dependencies.ts'

/** Prints what passes until the user interrupts, or with --no-follow what is known. */
export async function tail({ flags, terminal, signal }: Invocation, path: string, names: string[]): Promise<ExitCode> {
  const follow = !flags.isOn('no-follow')
  const count = flags.number('tail')
  try {
    const { skipped } = await callDaemon<DependencyTailResult>(
      { method: 'proxyTail', params: { path, names, follow, ...(count !== undefined && { tail: count }) } },
      {
        command: 'shiv proxy tail',
        signal,
        onEvent(event) {
          if (event.kind !== 'dependency') return
          if (flags.wantsJson) terminal.out(`${JSON.stringify({ version: 1, ...event })}\n`)
          else terminal.out(`${renderDependencyEvent(event.event, terminal.style)}\n`)
        },
      },
    )
    if (skipped > 0) terminal.err(`${skipped} passed while this was too slow to print them\n`)
  } catch (error) {
    // Ctrl-C is how following ends.
    if (!(follow && signal.aborted && error instanceof ShivError)) throw error
  }
  return 0
}

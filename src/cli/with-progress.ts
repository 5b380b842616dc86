import { ShivError } from '../core/errors.ts'
import { callDaemon } from '../wire/call-daemon.ts'
import type { Request, WireEvent } from '../wire/messages.ts'
import type { Invocation } from './command.ts'
import { realClock, type Progress } from './render/progress.ts'

/** Sends a request that takes its time and shows its events: redrawn on a terminal, lines without one, JSON lines with --json. `listen` hears them too. */
export async function withProgress<T>(
  invocation: Invocation,
  request: Request,
  listen: (event: WireEvent) => void = () => {},
): Promise<T> {
  const { signal } = invocation
  const progress = await progressFor(invocation)
  try {
    return await callDaemon<T>(request, {
      command: ['shiv', invocation.command.name, ...invocation.args].join(' '),
      signal,
      onEvent: (event) => {
        listen(event)
        progress.event(event)
      },
    })
  } catch (error) {
    if (signal.aborted) throw interrupted(invocation, error)
    throw error
  } finally {
    progress.end()
  }
}

async function progressFor({ flags, terminal }: Invocation): Promise<Progress> {
  if (flags.wantsJson) {
    return { event: (event) => terminal.out(`${JSON.stringify({ version: 1, ...event })}\n`), end: () => {} }
  }
  if (terminal.isTTY) {
    const { createLiveProgress } = await import('./render/progress-live.ts')
    return createLiveProgress({ ...terminal, write: terminal.out }, realClock())
  }
  const { createPlainProgress } = await import('./render/progress-plain.ts')
  return createPlainProgress((line) => terminal.out(`${line}\n`), terminal.style, realClock())
}

function interrupted({ command, args }: Invocation, cause: unknown): ShivError {
  const again = ['shiv', command.name, ...args].join(' ')
  return new ShivError(`shiv ${command.name} was interrupted.`, {
    code: 'INTERRUPTED',
    exit: 130,
    hint: `${again} goes on from here`,
    cause,
  })
}

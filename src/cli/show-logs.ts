import { ShivError } from '../core/errors.ts'
import { callDaemon } from '../wire/call-daemon.ts'
import type { LogsResult } from '../wire/messages.ts'
import type { Invocation } from './command.ts'
import type { Style } from '../core/style.ts'
import { doneMark, failedMark, type ReplicaStatus } from './render/marks.ts'
import { createLogRenderer } from './render/logs.ts'
import { describeEvent, describeHealth } from './render/progress-plain.ts'

export interface LogWish {
  path: string
  sources: string[]
  follow: boolean
  tail?: number | undefined
  since?: number | undefined
}

/** Prints log lines until there are no more, or with `follow` until the user interrupts; then health changes stand between them. */
export async function showLogs({ terminal, flags, signal, command }: Invocation, wish: LogWish): Promise<void> {
  const { style } = terminal
  const render = createLogRenderer(style)
  const { sources, follow, path } = wish
  const params = {
    path,
    services: [],
    sources,
    follow,
    ...(wish.tail !== undefined && { tail: wish.tail }),
    ...(wish.since !== undefined && { since: wish.since }),
  }
  try {
    await callDaemon<LogsResult>(
      { method: 'logs', params },
      {
        command: `shiv ${command.name}`,
        signal,
        onEvent: (event) => {
          if (flags.wantsJson) return terminal.out(`${JSON.stringify({ version: 1, ...event })}\n`)
          if (event.kind === 'log') return terminal.out(`${render(event.line)}\n`)
          if (event.kind === 'health') return terminal.out(`${healthMark(event.state, style)} ${describeHealth(event)}\n`)
          const line = describeEvent(event, style)
          if (line) terminal.out(`${line.mark} ${line.text}\n`)
        },
      },
    )
  } catch (error) {
    // Ctrl-C is how following ends.
    if (!(follow && signal.aborted && error instanceof ShivError)) throw error
  }
}

function healthMark(state: ReplicaStatus['state'], style: Style): string {
  if (state === 'ready') return doneMark(style)
  return state === 'crashed' ? failedMark(style) : style.yellow('!')
}

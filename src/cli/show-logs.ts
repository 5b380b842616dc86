import { ShivError } from '../core/errors.ts'
import { callDaemon } from '../wire/call-daemon.ts'
import type { DeployParams, LogsResult, Request } from '../wire/messages.ts'
import type { Invocation } from './command.ts'
import type { Style } from '../core/style.ts'
import { createLogFilter } from './log-filter.ts'
import { doneMark, failedMark, type ReplicaStatus } from './render/marks.ts'
import { createLogRenderer } from './render/logs.ts'
import { describeEvent, describeHealth } from './render/progress-plain.ts'

/** Of what runs here, or of what is `deployed`. */
export type LogWish = ({ path: string; sources: string[] } | { deployed: DeployParams }) & {
  follow: boolean
  tail?: number | undefined
  since?: number | undefined
}

/** Prints log lines until there are no more, or with `follow` until the user interrupts; then health changes stand between them. */
export async function showLogs({ terminal, flags, signal, command }: Invocation, wish: LogWish): Promise<void> {
  const { style } = terminal
  const render = createLogRenderer(style)
  const isWanted = createLogFilter(flags.text('grep'), flags.text('where'))
  const { follow } = wish
  try {
    await callDaemon<LogsResult>(requestOf(wish), {
      command: `shiv ${command.name}`,
      signal,
      onEvent: (event) => {
        if (event.kind === 'log' && !isWanted(event.line)) return undefined
        if (flags.wantsJson) return terminal.out(`${JSON.stringify({ version: 1, ...event })}\n`)
        if (event.kind === 'log') return terminal.out(`${render(event.line)}\n`)
        if (event.kind === 'health') return terminal.out(`${healthMark(event.state, style)} ${describeHealth(event)}\n`)
        const line = describeEvent(event, style)
        if (line) terminal.out(`${line.mark} ${line.text}\n`)
      },
    })
  } catch (error) {
    // Ctrl-C is how following ends.
    if (!(follow && signal.aborted && error instanceof ShivError)) throw error
  }
}

function requestOf(wish: LogWish): Request {
  const { follow, tail, since } = wish
  const range = { follow, ...(tail !== undefined && { tail }), ...(since !== undefined && { since }) }
  if ('deployed' in wish) return { method: 'deployLogs', params: { ...wish.deployed, ...range } }
  return { method: 'logs', params: { path: wish.path, services: [], sources: wish.sources, ...range } }
}

function healthMark(state: ReplicaStatus['state'], style: Style): string {
  if (state === 'ready') return doneMark(style)
  return state === 'crashed' ? failedMark(style) : style.yellow('!')
}

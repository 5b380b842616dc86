import { formatAge } from '../../core/duration.ts'
import type { ExitCode } from '../../core/errors.ts'
import { socketPath } from '../../core/paths.ts'
import { connect } from '../../wire/client.ts'
import type { Request, StatusResult } from '../../wire/messages.ts'
import type { Invocation } from '../command.ts'
import { printJson } from '../print.ts'

export async function run({ args, flags, cwd, terminal }: Invocation): Promise<ExitCode> {
  const wantsStop = args[0] === 'stop'
  const connection = await connect(socketPath())
  if (!connection) {
    if (flags.wantsJson) printJson(terminal, { version: 1, daemon: null, stopped: false })
    else terminal.out('no daemon runs\n')
    return 0
  }
  try {
    const request: Request = { method: 'status', params: { path: cwd, services: [], all: true } }
    const { daemon, runs: all } = await connection.call<StatusResult>(request, { command: 'shiv daemon' })
    const runs = all.filter(({ state }) => state !== 'stopped')
    if (wantsStop) {
      await connection.call({ method: 'shutdown' }, { command: 'shiv daemon stop' })
      await connection.closed
    }
    if (flags.wantsJson) printJson(terminal, { version: 1, daemon, runs: runs.map(({ id }) => id), stopped: wantsStop })
    else if (wantsStop)
      terminal.out(
        `stopped the daemon (pid ${daemon.pid})${runs.length > 0 ? `; ${runs.length} run${runs.length === 1 ? '' : 's'} left running` : ''}\n`,
      )
    else terminal.out(describe(daemon, runs.length))
    return 0
  } finally {
    connection.close()
  }
}

function describe(daemon: StatusResult['daemon'], runs: number): string {
  const memory = `${Math.round(daemon.rssBytes / 1_048_576)} MB`
  return `shiv ${daemon.version}, pid ${daemon.pid}, up ${formatAge(Date.now() - daemon.since)}, ${memory}, ${runs} run${runs === 1 ? '' : 's'}\n`
}

import { ShivError } from '../core/errors.ts'
import { shivHome, socketPath } from '../core/paths.ts'
import { connect, type CallOptions, type Connection } from './client.ts'
import { daemonEntry, stampOf } from './daemon-entry.ts'
import type { Request } from './messages.ts'

export interface DaemonCallOptions extends CallOptions {
  /** State folder; `shivHome()` when absent. */
  home?: string
  /** The daemon's program; the bundled one when absent. */
  entry?: string
}

/**
 * One request to this user's daemon, which is started when it is not there and replaced when it is another version.
 * A daemon that died under the call is asked for once more. Throws the daemon's ShivError, or DAEMON_GONE, DAEMON_UNREACHABLE, DAEMON_START_FAILED.
 */
export async function callDaemon<T>(request: Request, options: DaemonCallOptions = {}): Promise<T> {
  const home = options.home ?? shivHome()
  const entry = options.entry ?? daemonEntry()
  const call = { ...options, expects: stampOf(entry) }
  const connection = (await connect(socketPath(home))) ?? (await start(home, entry))
  try {
    return await connection.call<T>(request, call)
  } catch (error) {
    const code = error instanceof ShivError ? error.code : undefined
    if (code === 'DAEMON_VERSION_MISMATCH') await replace(connection, call)
    // Met while it died: everything but `exec` may be asked twice.
    else if (code !== 'DAEMON_GONE' || request.method === 'exec' || options.signal?.aborted) throw error
  } finally {
    connection.close()
  }
  const second = await start(home, entry)
  try {
    return await second.call<T>(request, call)
  } finally {
    second.close()
  }
}

async function start(home: string, entry: string): Promise<Connection> {
  const { ensureDaemon } = await import('./ensure-daemon.ts')
  return ensureDaemon({ home, entry })
}

/** Ends the other version's daemon; its runs go on and the next daemon finds them. */
async function replace(connection: Connection, options: CallOptions): Promise<void> {
  await connection.call({ method: 'shutdown', params: { keepRuns: true, drain: true } }, options)
  await connection.closed
}

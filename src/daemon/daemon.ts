import { toErrorShape, ShivError } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import type { Redactor } from '../core/redact.ts'
import { isSameDaemon } from '../wire/daemon-entry.ts'
import { WIRE_VERSION, type DaemonStamp, type HelloResult, type Request, type StatusResult } from '../wire/messages.ts'
import { otherVersion, serveSocket, type Exchange } from './server.ts'

export interface DaemonParts {
  home: string
  socket: string
  stamp: DaemonStamp
  redactor: Redactor
  log: Log
  /** Lets go of the lock, last of all. */
  released(): void
}

export interface Daemon {
  /** Ordered end: no new callers, work given up, runs released (what runs goes on), lock freed, process ended. */
  close(why: string): Promise<void>
  /** A defect of our own: logged, then the same end in short. */
  crash(error: unknown): void
}

/** Opens the socket and serves until closed. */
export async function runDaemon(parts: DaemonParts): Promise<Daemon> {
  const { log, stamp } = parts
  const since = Date.now()
  let closing: Promise<void> | undefined

  const handle = async (request: Request, exchange: Exchange): Promise<unknown> => {
    const { method } = request
    if (method === 'hello') {
      const result: HelloResult = { version: 1, wire: WIRE_VERSION, daemon: { ...stamp, pid: process.pid, since } }
      return result
    }
    if (method === 'shutdown') {
      setImmediate(() => void close('asked to'))
      return
    }
    if (exchange.expects && !isSameDaemon(stamp, exchange.expects)) {
      throw otherVersion(`is ${stamp.release}, started from ${stamp.entry} as it was then`)
    }
    if (method === 'status') {
      const { rss: rssBytes } = process.memoryUsage()
      const result: StatusResult = { version: 1, daemon: { pid: process.pid, version: stamp.release, since, rssBytes }, runs: [] }
      return result
    }
    throw new ShivError(`The daemon does not know ${method} yet.`, { code: 'DAEMON_BAD_REQUEST', exit: 2 })
  }

  const failed = (error: unknown, request: Request): unknown => {
    const shape = toErrorShape(error)
    if (shape.code === 'INTERNAL') log.error(shape.message, { code: shape.code, method: request.method, stack: shape.stack })
    return error
  }

  const server = await serveSocket(parts.socket, { handle, failed, idle: () => {} })
  log.info('listening', { pid: process.pid, release: stamp.release })

  const close = (why: string, exitCode = 0): Promise<void> =>
    (closing ??= (async () => {
      log.info('closing', { why })
      server.stopAccepting()
      parts.released()
      await server.end()
      process.exit(exitCode)
    })())

  return {
    close,
    crash(error) {
      const { code, message, stack } = toErrorShape(error)
      log.error(message, { code, stack })
      setTimeout(() => process.exit(70), 3_000).unref()
      void close('crash', 70)
    },
  }
}

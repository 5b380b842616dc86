import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fromErrorShape, toErrorShape } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import type { Redactor } from '../core/redact.ts'
import type { Ask } from '../engine/parts.ts'
import { isSameDaemon } from '../wire/daemon-entry.ts'
import {
  WIRE_VERSION,
  type DaemonStamp,
  type HelloResult,
  type Request,
  type ShutdownParams,
  type StatusResult,
} from '../wire/messages.ts'
import type { Composition } from './compose.ts'
import { createIdleTimer } from './idle-timer.ts'
import { otherVersion, serveSocket, type Exchange } from './server.ts'

export interface DaemonParts {
  home: string
  socket: string
  stamp: DaemonStamp
  redactor: Redactor
  log: Log
  /** With nothing to keep for so long, the daemon ends. */
  idleExitMs: number
  /** Lets go of the lock, last of all. */
  released(): void
}

export interface Daemon {
  /** Ordered end: no new callers, work given up, runs released (what runs goes on), lock freed, process ended. */
  close(why: string): Promise<void>
  /** A defect of our own: logged, then the same end. */
  crash(error: unknown): void
}

/** How long an ordered end may take before the process ends anyway. */
const CLOSE_TIMEOUT_MS = 15_000
/** How often the daemon looks whether it can still be reached. */
const REACH_CHECK_MS = Number(process.env['SHIV_REACH_CHECK_MS'] ?? 30_000)

/** Opens the socket and serves until closed. */
export async function runDaemon(parts: DaemonParts): Promise<Daemon> {
  const { log, stamp, redactor } = parts
  const since = Date.now()
  let composition: Promise<Composition> | undefined
  let composed: Composition | undefined
  let closing: Promise<void> | undefined

  const services = (): Promise<Composition> =>
    (composition ??= import('./compose.ts').then(({ compose }) => (composed = compose({ home: parts.home, redactor, log }))))

  const serve = async (request: Request, ask: Ask): Promise<unknown> => {
    switch (request.method) {
      case 'hello':
        return { version: 1, wire: WIRE_VERSION, daemon: { ...stamp, pid: process.pid, since } } satisfies HelloResult
      case 'shutdown':
        return shutdown(request.params ?? {})
      case 'status': {
        const runs = hasRuns(parts.home) ? await (await services()).engine.status(request.params) : []
        const daemon = { pid: process.pid, version: stamp.release, since, rssBytes: process.memoryUsage.rss() }
        return { version: 1, daemon, runs } satisfies StatusResult
      }
      case 'doctor': {
        const { examine } = await import('./doctor.ts')
        const { engine } = await services()
        return examine({ home: parts.home, wanted: await engine.processDatabases(), ...request.params, ask })
      }
      default:
        return callEngine((await services()).engine, request, ask)
    }
  }
  const shutdown = async ({ keepRuns = true, drain = false }: ShutdownParams): Promise<null> => {
    if (drain) await composed?.engine.idle()
    if (!keepRuns) await (await services()).engine.close({ keepRuns })
    setImmediate(() => void close('asked to'))
    return null
  }

  const handle = async (request: Request, exchange: Exchange): Promise<unknown> => {
    const { client, signal, expects } = exchange
    const isAboutDaemon = request.method === 'hello' || request.method === 'shutdown'
    if (!isAboutDaemon && expects && !isSameDaemon(stamp, expects)) {
      throw otherVersion(`is ${stamp.release}, started from ${stamp.entry} as it was then`)
    }
    idle.stop()
    return serve(request, { by: { command: client.command, pid: client.pid }, signal, emit: exchange.emit })
  }
  const failed = (error: unknown, request: Request): unknown => {
    const shape = redactor.deep(toErrorShape(error))
    log[shape.code === 'INTERNAL' ? 'error' : 'info'](shape.message, {
      code: shape.code,
      method: request.method,
      stack: shape.stack,
    })
    return fromErrorShape(shape)
  }
  const isNeeded = (): boolean => server.active() > 0 || composed?.engine.isNeeded() === true
  const idle = createIdleTimer(parts.idleExitMs, isNeeded, () => void close('nothing to keep'))

  const server = await serveSocket(parts.socket, { handle, failed, idle: () => idle.start() })
  log.info('listening', { pid: process.pid, release: stamp.release })
  if (hasRuns(parts.home)) void services()
  idle.start()
  // Without its socket nobody reaches it again: the home was removed, and what runs is left to whoever removed it.
  setInterval(() => existsSync(parts.socket) || void close('the socket is gone'), REACH_CHECK_MS).unref()

  const close = (why: string, exitCode = 0): Promise<void> =>
    (closing ??= (async () => {
      log.info('closing', { why })
      setTimeout(() => process.exit(exitCode || 1), CLOSE_TIMEOUT_MS).unref()
      server.stopAccepting()
      try {
        await (await composition)?.close({ keepRuns: true })
      } catch (error) {
        log.error('the close was not in order', { cause: String(error) })
      }
      parts.released()
      await server.end()
      process.exit(exitCode)
    })())

  return {
    close,
    crash(error) {
      const { code, message, stack } = toErrorShape(error)
      log.error(message, { code: code === 'INTERNAL' ? 'DAEMON_CRASHED' : code, stack })
      void close('crash', 70)
    },
  }
}

function hasRuns(home: string): boolean {
  return existsSync(join(home, 'runs'))
}

type EngineRequest = Exclude<Request, { method: 'hello' | 'shutdown' | 'status' | 'doctor' }>

function callEngine(engine: Composition['engine'], request: EngineRequest, ask: Ask): Promise<unknown> {
  switch (request.method) {
    case 'start':
      return engine.start(request.params, ask)
    case 'stop':
      return engine.stop(request.params, ask)
    case 'restart':
      return engine.restart(request.params, ask)
    case 'plan':
      return engine.plan(request.params)
    case 'parity':
      return engine.parity(request.params, ask)
    case 'build':
      return engine.build(request.params, ask)
    case 'why':
      return engine.why(request.params)
    case 'logs':
      return engine.logs(request.params, ask)
    case 'loops':
      return engine.loops(request.params, ask)
    case 'verify':
      return engine.verify(request.params, ask)
    case 'proxy':
      return engine.proxy(request.params)
    case 'proxyTail':
      return engine.proxyTail(request.params, ask)
    case 'proxyMode':
      return engine.proxyMode(request.params)
    case 'proxyFault':
      return engine.proxyFault(request.params)
    case 'recordingCheck':
      return engine.recordingCheck(request.params)
    case 'recordingMerge':
      return engine.recordingMerge(request.params)
    case 'deploy':
      return engine.deploy(request.params, ask)
    case 'deployPlan':
      return engine.deployPlan(request.params, ask)
    case 'deployStatus':
      return engine.deployStatus(request.params, ask)
    case 'deployHistory':
      return engine.deployHistory(request.params, ask)
    case 'deployLogs':
      return engine.deployLogs(request.params, ask)
    case 'rollback':
      return engine.rollback(request.params, ask)
    case 'exec':
      return engine.exec(request.params, ask)
    case 'test':
      return engine.test(request.params, ask)
    default:
      return request satisfies never
  }
}

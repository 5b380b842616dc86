import { createServer, type LookupFunction } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Authority, DependencyEvent, DependencySetting, OpenDependency } from '../../../engine/dependency-ports.ts'
import type { Listener } from '../../proxy/listen.ts'
import type { OpenExchange } from '../exchange.ts'
import { listenSomewhere } from '../listen.ts'
import { noTokens, type ReadToken } from './bearer.ts'
import { createBrowserGuard, namesOf, type BrowserGuard } from './browser-guard.ts'
import { createCourse, retireCourse, type Course, type CourseTools } from './course.ts'
import { createDeadlines } from './deadlines.ts'
import { createHealthBook } from './health.ts'
import { wordsOfDefect } from './failure-words.ts'
import { createHttp2Side } from './http2-inbound.ts'
import type { Inbound } from './message.ts'
import type { MalformedError } from './head.ts'
import { refuseMalformed, serve, type ServeTools } from './serve.ts'
import { ServiceConnection, type ServiceConnectionOptions } from './service-connection.ts'
import { createTlsSide } from './tls-inbound.ts'
import type { Tunnel } from './tunnel.ts'
import type { UpstreamPool } from './upstream-pool.ts'

const MAX_HEAD_BYTES = 65_536
const MAX_FIELDS = 500
const TICK_MS = 50
/** Bytes that may wait on each side of a connection before its source is held. */
const HIGH_WATER_MARK = 262_144

export interface HttpDependencyOptions {
  /** Preferred; another is taken when it is not free. */
  port?: number
  onEvent(event: DependencyEvent): void
  /** A mistake in the proxy's own code. It has cost one connection or request; health says it too. */
  onDefect?(error: unknown): void
  /** Absent: TLS is not spoken to services. */
  authority?: Authority
  /** Asks for the token of `rules.auth`. */
  readToken?: ReadToken
  openExchange?: OpenExchange
  lookup?: LookupFunction
  /** In [0, 1); for the faults. */
  random?(): number
  /** How long a head may take to come, and an idle connection of a service to say something; milliseconds. */
  headMs?: number
  idleConnectionMs?: number
}

/**
 * Opens one HTTP or gRPC dependency: listens on loopback and serves by `setting`. Rejects with a ShivError when no port is free or the
 * recording cannot be opened.
 */
export async function openHttpDependency(setting: DependencySetting, options: HttpDependencyOptions): Promise<OpenDependency> {
  const tools: CourseTools = {
    openExchange: options.openExchange,
    readToken: options.readToken ?? noTokens,
    lookup: options.lookup,
  }
  let course = createCourse(setting, tools)
  await course.recording?.exchange
  let browserGuard = guardOf(setting)
  const { authority } = options
  const health = createHealthBook()
  const deadlines = createDeadlines(TICK_MS)
  const connections = new Set<ServiceConnection>()
  const tunnels = new Set<Tunnel>()
  const sockets = new Set<Duplex>()
  const pools = new Set<UpstreamPool>()
  const keepPools = ({ upstream }: Course): void => {
    if (upstream) pools.add(upstream.pool).add(upstream.http2)
  }
  keepPools(course)
  const retiring = new Set<Promise<void>>()
  let isClosed = false

  const onEvent = (event: DependencyEvent): void => {
    health.note(event)
    options.onEvent(event)
  }
  const onDefect = (error: unknown): void => {
    health.fail(wordsOfDefect(error))
    options.onDefect?.(error)
  }
  const toolsOf = (of: Course, guard: BrowserGuard): ServeTools => ({
    deadlines,
    random: options.random ?? Math.random,
    browserGuard: guard,
    onEvent,
    onDefect,
    proven: (ms) => {
      if (of.upstream?.pool === course.upstream?.pool) health.proven(Date.now(), ms)
    },
    track(tunnel) {
      const timed = { check: (now: number) => idle(tunnel, of, now) }
      const { idleMs } = of.setting.rules.timeouts ?? {}
      if (idleMs) deadlines.add(timed)
      tunnels.add(tunnel)
      return () => {
        tunnels.delete(tunnel)
        deadlines.delete(timed)
      }
    },
  })
  let serveTools = toolsOf(course, browserGuard)
  const onRequest = (inbound: Inbound): void => serve(inbound, course, serveTools)
  const onMalformed = (inbound: Inbound, error: MalformedError): void =>
    refuseMalformed(inbound, error.message, error.status, course, serveTools)

  const http2 = createHttp2Side({ serve: onRequest, refuse: onMalformed, onDefect, maxHeadBytes: MAX_HEAD_BYTES })
  const connectionOptions: ServiceConnectionOptions = {
    serve: onRequest,
    refuse: onMalformed,
    serveHttp2(socket, first) {
      socket.on('error', () => socket.destroy()) // its session tells its streams
      socket.unshift(first)
      http2.serve(socket)
    },
    onDefect,
    onReleased: (connection) => connections.delete(connection),
    maxHeadBytes: MAX_HEAD_BYTES,
    maxFields: MAX_FIELDS,
  }
  const tls =
    authority &&
    createTlsSide({
      authority,
      names: () => course.setting.certifiedNames ?? ['localhost'],
      accept: (socket) => void connections.add(new ServiceConnection(socket, connectionOptions)),
    })
  const outerOptions = tls ? { ...connectionOptions, serveTls: tls.serve } : connectionOptions
  function forget(this: Duplex): void {
    sockets.delete(this)
  }
  const accept = (socket: Duplex): void => {
    if (isClosed) return void socket.destroy()
    sockets.add(socket)
    connections.add(new ServiceConnection(socket, outerOptions))
    socket.once('close', forget)
  }
  const { headMs = 30_000, idleConnectionMs = 600_000 } = options
  const watch = setInterval(
    () => {
      const now = performance.now()
      for (const connection of connections) {
        const waited = now - connection.waitingSince
        if (connection.isInHead ? waited > headMs : connection.isIdle && waited > idleConnectionMs) connection.refuseSlowHead()
      }
    },
    Math.min(1_000, headMs / 4),
  ).unref()

  let listener: Listener
  try {
    listener = await listenSomewhere(options.port, () =>
      createServer({ allowHalfOpen: true, noDelay: true, highWaterMark: HIGH_WATER_MARK }, accept),
    )
  } catch (error) {
    clearInterval(watch)
    await retireCourse(course, undefined)
    throw error
  }

  return {
    port: listener.port,
    accept,
    set(next) {
      const before = course
      course = createCourse(next, tools, before)
      browserGuard = guardOf(next)
      serveTools = toolsOf(course, browserGuard)
      if (before.upstream?.pool !== course.upstream?.pool) health.reset()
      keepPools(course)
      // What could not be written of a recording is no failure of the setting that follows: its health says it.
      const over = retireCourse(before, course)?.catch((error: Error) => health.fail(error.message))
      if (!over) return
      const retired = over.finally(() => retiring.delete(retired))
      retiring.add(retired)
    },
    health: () => health.read(tunnels.size + (course.upstream?.pool.openConnections ?? 0)),
    async close() {
      isClosed = true
      clearInterval(watch)
      const closed = listener.close()
      http2.close()
      for (const socket of sockets) socket.destroy()
      for (const tunnel of tunnels) tunnel.destroy()
      for (const pool of pools) pool.destroy()
      await closed
      await retireCourse(course, undefined)
      await Promise.all(retiring)
      deadlines.close()
    },
  }
}

function guardOf({ name, upstream, hosts = [] }: DependencySetting): BrowserGuard {
  return createBrowserGuard(name, namesOf(name, upstream?.url.hostname, hosts))
}

function idle(tunnel: Tunnel, course: Course, now: number): void {
  if (now - tunnel.lastActivity > course.timeouts.idleMs) tunnel.destroy()
}

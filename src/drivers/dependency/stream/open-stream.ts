import { setMaxListeners } from 'node:events'
import { createServer } from 'node:net'
import type { Duplex } from 'node:stream'
import { ShivError, toErrorShape } from '../../../core/errors.ts'
import type { DependencyEvent, DependencySetting, OpenDependency, Upstream } from '../../../engine/dependency-ports.ts'
import { type Book, createBook } from './book.ts'
import { listenSomewhere } from '../listen.ts'
import { supervise } from './supervise.ts'
import type { CommandExchange } from '../recording/command-exchange.ts'
import { isPlayed, openTape } from './tape.ts'

export interface OpenOptions {
  /** Taken if it is free. */
  port?: number
  onEvent(event: DependencyEvent): void
  /** How long a proof of the upstream holds before a probe asks for another; 15 s. */
  probeEveryMs?: number
}

/** A setting that has an upstream. */
export type ServedSetting = DependencySetting & { upstream: Upstream }

export interface Connection {
  client: Duplex
  setting: ServedSetting
  book: Book
  /** Aborts when the dependency is closed. */
  closed: AbortSignal
  /** Aborts when another setting took over: what is under way ends as it began, and then the connection ends. */
  retired: AbortSignal
  /** What the modes `record` and `replay` keep and play; of the others nothing. */
  exchange?: CommandExchange
}

/** One whose answers come from a recording; `upstream` is there where it may be asked for what is missing. */
export interface PlayedConnection extends Omit<Connection, 'setting' | 'exchange'> {
  setting: DependencySetting
  exchange: CommandExchange
}

/** How connections of one protocol are served. */
export interface StreamProtocol {
  /** Throws ShivError when the setting cannot be served. */
  check(setting: DependencySetting): void
  /** Serves one connection to its end. Rejects only for defects. */
  serve(connection: Connection): Promise<void>
  /** Serves one from a recording. Absent: nothing is recorded of this protocol. */
  play?(connection: PlayedConnection): Promise<void>
  /** What a client is told, in its protocol, when it cannot be served for this reason. */
  apologise?(error: Error): Buffer
  /** Rejects unless the upstream answers, end to end. Absent: nothing can be asked without knowing what the service speaks. */
  probe?(setting: ServedSetting, signal: AbortSignal): Promise<void>
}

/** Listens for the connections of one dependency, and serves each by the setting that held when it came. Throws what `check` throws. */
export async function openStream(
  protocol: StreamProtocol,
  first: DependencySetting,
  options: OpenOptions,
): Promise<OpenDependency> {
  checkSetting(protocol, first)
  const book = createBook(options.onEvent)
  const closed = forMany(new AbortController())
  const clients = new Set<Duplex>()
  let setting = first
  let retire = forMany(new AbortController())
  const serving = new Set<Promise<void>>()

  let tape = openTape(setting, undefined)
  await tape?.exchange
  /** Recordings that others use still; the port is closed when they are whole. */
  const retiring = new Set<Promise<void>>()

  const accept = (client: Duplex): void => {
    client.on('error', () => client.destroy()) // a client that broke off; 'close' follows
    if (closed.signal.aborted) return void client.destroy()
    const leave = book.open()
    clients.add(client)
    client.once('close', () => {
      clients.delete(client)
      leave()
    })
    const served = serve(client, setting, retire.signal, tape)
      .catch((error: unknown) => fail(client, error as Error))
      .finally(() => serving.delete(served))
    serving.add(served)
  }
  const serve = async (client: Duplex, setting: DependencySetting, retired: AbortSignal, used = tape): Promise<void> => {
    const connection = { client, book, closed: closed.signal, retired }
    const { upstream } = setting
    const leave = used?.use()
    try {
      const exchange = await used?.exchange
      if (exchange !== undefined && protocol.play && isPlayed(setting)) {
        await protocol.play({ ...connection, setting, exchange })
      } else if (upstream === undefined) client.destroy()
      else await protocol.serve({ ...connection, setting: { ...setting, upstream }, ...(exchange && { exchange }) })
    } finally {
      leave?.()
    }
  }
  /** A recording that cannot be used, or a defect: this connection ends, is told of, and no other. */
  const fail = (client: Duplex, error: Error): void => {
    const { code, message } = toErrorShape(error)
    const cause = error instanceof ShivError ? message : `${code}: ${message}`
    book.record(setting, {
      summary: 'CONNECT',
      began: performance.now(),
      servedBy: 'nobody',
      outcome: 'failed',
      cause,
      sentBytes: 0,
      receivedBytes: 0,
    })
    const words = protocol.apologise?.(error)
    if (words !== undefined && !client.destroyed) client.end(words)
    setTimeout(() => client.destroy(), words === undefined ? 0 : 1_000).unref()
  }
  const watch = (): void => {
    const { upstream } = setting
    const { probe } = protocol
    if (upstream === undefined || probe === undefined) return
    const served = { ...setting, upstream }
    const until = AbortSignal.any([retire.signal, closed.signal])
    void supervise(book, (signal) => probe(served, signal), until, options.probeEveryMs)
  }
  /** What could not be written of a recording is no failure of the setting that follows: its health says it. */
  const tellIfBroken = (retired: Promise<void>): Promise<void> => {
    const told = retired.catch((error: Error) => book.fail(error.message)).finally(() => retiring.delete(told))
    retiring.add(told)
    return told
  }
  const listener = await listenSomewhere(options.port, () => createServer({ allowHalfOpen: true, noDelay: true }, accept))
  watch()

  return {
    port: listener.port,
    accept,
    set(next) {
      checkSetting(protocol, next)
      const leadsElsewhere = placeOf(next) !== placeOf(setting)
      setting = next
      if (!leadsElsewhere) return
      const over = tape && tellIfBroken(tape.retire())
      tape = openTape(next, over)
      const old = retire
      retire = forMany(new AbortController())
      book.doubt()
      old.abort()
      watch()
    },
    health: () => book.health(),
    async close() {
      closed.abort()
      const ended = listener.close()
      for (const client of clients) client.destroy()
      await Promise.all([ended, ...serving])
      await tape?.retire()
      await Promise.all(retiring)
    },
  }
}

/** Every connection listens to it, which Node would take for a leak. */
function forMany(controller: AbortController): AbortController {
  setMaxListeners(0, controller.signal)
  return controller
}

/** What a connection was made for; while it stays the same, connections may stay. */
function placeOf({ protocol, mode, upstream, access, recording }: DependencySetting): string {
  return JSON.stringify([protocol, mode, upstream?.url.href, upstream?.label, access, recording])
}

function checkSetting(protocol: StreamProtocol, setting: DependencySetting): void {
  const { name, mode } = setting
  if ((mode === 'record' || mode === 'replay') && protocol.play === undefined) {
    throw new ShivError(
      `${name} cannot be in mode ${mode}: of ${setting.protocol} nobody can tell where an answer ends, so it is not recorded.`,
      {
        code: 'DEPENDENCY_MODE_UNSUPPORTED',
        exit: 2,
        hint: `shiv proxy mode ${name} staging`,
      },
    )
  }
  if (setting.upstream === undefined && mode !== 'replay') {
    throw new ShivError(`${name} has nothing behind it in mode ${mode}.`, {
      code: 'DEPENDENCY_NO_UPSTREAM',
      exit: 2,
      hint: `name a target for it in service.yaml, or another mode: shiv proxy mode ${name} staging`,
    })
  }
  if (setting.faults !== undefined) {
    throw new ShivError(`${name} cannot have faults: only those of HTTP and gRPC are made, ${name} speaks ${setting.protocol}.`, {
      code: 'DEPENDENCY_FAULTS_UNSUPPORTED',
      exit: 2,
      hint: `remove faults from ${name} in service.yaml`,
    })
  }
  protocol.check(setting)
}

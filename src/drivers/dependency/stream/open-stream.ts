import { setMaxListeners } from 'node:events'
import { createServer } from 'node:net'
import type { Duplex } from 'node:stream'
import { ShivError } from '../../../core/errors.ts'
import type { DependencyEvent, DependencySetting, OpenDependency, Upstream } from '../../../engine/dependency-ports.ts'
import { type Book, createBook } from './book.ts'
import { listenSomewhere } from '../listen.ts'
import { supervise } from './supervise.ts'

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
}

/** How connections of one protocol are served. */
export interface StreamProtocol {
  /** Throws ShivError when the setting cannot be served. */
  check(setting: DependencySetting): void
  /** Serves one connection to its end. Rejects only for defects. */
  serve(connection: Connection): Promise<void>
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

  const accept = (client: Duplex): void => {
    const { upstream } = setting
    client.on('error', () => client.destroy()) // a client that broke off; 'close' follows
    if (upstream === undefined || closed.signal.aborted) return void client.destroy()
    const leave = book.open()
    clients.add(client)
    client.once('close', () => {
      clients.delete(client)
      leave()
    })
    const connection = { client, setting: { ...setting, upstream }, book, closed: closed.signal, retired: retire.signal }
    const served = protocol.serve(connection).finally(() => serving.delete(served))
    serving.add(served)
  }
  const watch = (): void => {
    const { upstream } = setting
    const { probe } = protocol
    if (upstream === undefined || probe === undefined) return
    const served = { ...setting, upstream }
    const until = AbortSignal.any([retire.signal, closed.signal])
    void supervise(book, (signal) => probe(served, signal), until, options.probeEveryMs)
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
    },
  }
}

/** Every connection listens to it, which Node would take for a leak. */
function forMany(controller: AbortController): AbortController {
  setMaxListeners(0, controller.signal)
  return controller
}

/** What a connection was made for; while it stays the same, connections may stay. */
function placeOf({ protocol, mode, upstream, access }: DependencySetting): string {
  return JSON.stringify([protocol, mode, upstream?.url.href, upstream?.label, access])
}

function checkSetting(protocol: StreamProtocol, setting: DependencySetting): void {
  const { name, mode } = setting
  if (mode === 'record' || mode === 'replay') {
    throw new ShivError(
      `${name} cannot be in mode ${mode}: only HTTP and gRPC are recorded, ${name} speaks ${setting.protocol}.`,
      {
        code: 'DEPENDENCY_MODE_UNSUPPORTED',
        exit: 2,
        hint: `shiv proxy mode ${name} staging`,
      },
    )
  }
  if (setting.upstream === undefined) {
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

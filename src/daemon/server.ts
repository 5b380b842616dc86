import { renameSync, rmSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { dirname, join } from 'node:path'
import { toErrorShape, ShivError } from '../core/errors.ts'
import { createLineSplitter, REQUEST_LIMIT } from '../wire/lines.ts'
import { WIRE_VERSION, type Request, type RequestLine, type WireEvent } from '../wire/messages.ts'
import { isRequestLine } from './check-request.ts'

/** One request being served. */
export interface Exchange {
  client: RequestLine['client']
  expects: RequestLine['expects']
  /** Aborted when the caller asks to give up, or is gone. */
  signal: AbortSignal
  /** Resolves when the caller has taken it, or is gone: await it in long streams, so that a slow reader costs no memory. */
  emit(event: WireEvent): Promise<void>
}

export interface SocketServer {
  /** Requests being served now. */
  active(): number
  /** No new callers; the socket's file goes. Those connected stay until `end`. */
  stopAccepting(): void
  /** Lets answers out, then ends every connection. */
  end(): Promise<void>
}

export interface ServerParts {
  handle(request: Request, exchange: Exchange): Promise<unknown>
  /** The last step before an error leaves: log it, take secrets out. */
  failed(error: unknown, request: Request): unknown
  idle(): void
}

/** Listens on a Unix socket, 0600, which appears only once it takes callers. */
export async function serveSocket(path: string, parts: ServerParts): Promise<SocketServer> {
  const sockets = new Set<Socket>()
  let active = 0
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    talk(socket, {
      ...parts,
      handle: async (request, exchange) => {
        active += 1
        try {
          return await parts.handle(request, exchange)
        } finally {
          active -= 1
          if (active === 0) parts.idle()
        }
      },
    })
  })
  const aside = join(dirname(path), `d.${process.pid}`)
  await listenPrivately(server, aside)
  renameSync(aside, path)
  return {
    active: () => active,
    stopAccepting() {
      rmSync(path, { force: true })
      server.close()
    },
    async end() {
      await Promise.all([...sockets].map((socket) => new Promise<void>((resolve) => socket.end(resolve))))
      for (const socket of sockets) socket.destroy()
    },
  }
}

function listenPrivately(server: Server, path: string): Promise<void> {
  rmSync(path, { force: true })
  const before = process.umask(0o177)
  return new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, () => {
      server.removeListener('error', reject)
      resolve()
    })
  }).finally(() => process.umask(before))
}

function talk(socket: Socket, parts: Pick<ServerParts, 'handle' | 'failed'>): void {
  const gaveUp = new AbortController()
  const giveUp = (): void => gaveUp.abort()
  socket.once('end', giveUp)
  socket.once('close', giveUp)
  socket.on('error', giveUp) // a caller that was killed; 'close' follows
  let open = 0

  const write = (message: object): Promise<void> =>
    new Promise((resolve) => {
      if (socket.destroyed || !socket.writable) return resolve()
      if (socket.write(`${JSON.stringify(message)}\n`)) return resolve()
      const done = (): void => {
        socket.removeListener('drain', done).removeListener('close', done)
        resolve()
      }
      socket.once('drain', done).once('close', done)
    })

  const serve = async ({ id, v, request, client, expects }: RequestLine): Promise<void> => {
    open += 1
    try {
      if (v !== WIRE_VERSION && request.method !== 'shutdown')
        throw otherVersion(`speaks version ${WIRE_VERSION}, the caller version ${v}`)
      const exchange = { client, expects, signal: gaveUp.signal, emit: (event: WireEvent) => write({ id, event }) }
      await write({ id, ok: true, result: (await parts.handle(request, exchange)) ?? null })
    } catch (error) {
      await write({ id, ok: false, error: toErrorShape(parts.failed(error, request)) })
    }
    open -= 1
    if (open === 0 && gaveUp.signal.aborted) socket.end()
  }

  socket.setEncoding('utf8')
  socket.on('end', () => open === 0 && socket.end())
  socket.on(
    'data',
    createLineSplitter(
      REQUEST_LIMIT,
      (line) => {
        const message = parse(line)
        if (isRequestLine(message)) void serve(message)
        else void write({ id: '', ok: false, error: toErrorShape(badRequest()) }).then(() => socket.destroy())
      },
      () => socket.destroy(),
    ),
  )
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return undefined // not JSON: answered as a bad request
  }
}

/** The caller and this daemon are not of one release; the caller replaces the daemon and asks again. */
export function otherVersion(how: string): ShivError {
  return new ShivError(`The daemon is another version: it ${how}.`, {
    code: 'DAEMON_VERSION_MISMATCH',
    exit: 3,
    hint: 'run the command again; it replaces the daemon, and what runs goes on',
  })
}

function badRequest(): ShivError {
  return new ShivError('The daemon got something that is not a request.', { code: 'DAEMON_BAD_REQUEST', exit: 2 })
}

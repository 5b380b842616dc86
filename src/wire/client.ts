import { createConnection, type Socket } from 'node:net'
import { fromErrorShape, ShivError } from '../core/errors.ts'
import { createLineSplitter, RESPONSE_LIMIT } from './lines.ts'
import { WIRE_VERSION, type EventLine, type Request, type RequestLine, type ResponseLine, type WireEvent } from './messages.ts'

/** How long a daemon may take over its answer to an abort. */
const GIVE_UP_MS = 3_000

export interface CallOptions {
  onEvent?: (event: WireEvent) => void
  /** Aborting asks the daemon to give the work up; the call then ends with the daemon's own answer, usually INTERRUPTED, and with INTERRUPTED when none comes within 3 s. */
  signal?: AbortSignal
  /** What a second caller is told while this one works, for example `shiv start orders`. */
  command?: string
  /** The daemon that this caller would start: the daemon refuses when it is another one by now. */
  expects?: RequestLine['expects']
}

export interface Connection {
  call<T>(request: Request, options?: CallOptions): Promise<T>
  /** Resolves when the other side is gone. */
  readonly closed: Promise<void>
  close(): void
}

/** Connects to a daemon's socket; undefined when nobody listens there. */
export function connect(path: string): Promise<Connection | undefined> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ path, allowHalfOpen: true })
    socket.once('error', (error: NodeJS.ErrnoException) => {
      // A reset is met at the socket of a daemon that is just dying.
      if (error.code === 'ENOENT' || error.code === 'ECONNREFUSED' || error.code === 'ECONNRESET') resolve(undefined)
      else reject(unreachable(path, error))
    })
    socket.once('connect', () => resolve(speak(socket)))
  })
}

interface Pending {
  resolve(value: unknown): void
  reject(error: Error): void
  onEvent: CallOptions['onEvent']
}

function speak(socket: Socket): Connection {
  const pending = new Map<string, Pending>()
  let lastId = 0
  let failure = 'The daemon went away before it answered.'

  const take = (line: string): void => {
    const message = JSON.parse(line) as ResponseLine | EventLine
    const call = pending.get(message.id)
    if (call === undefined) return
    if ('event' in message) return call.onEvent?.(message.event)
    pending.delete(message.id)
    if (message.ok) call.resolve(message.result)
    else call.reject(fromErrorShape(message.error))
  }
  const closed = new Promise<void>((resolve) => {
    socket.once('close', () => {
      for (const call of pending.values()) call.reject(gone(failure))
      pending.clear()
      resolve()
    })
  })
  socket.setEncoding('utf8')
  socket.removeAllListeners('error')
  socket.on('error', (error) => (failure = `The connection to the daemon broke: ${error.message}.`)) // 'close' follows
  socket.on('end', () => socket.end())
  socket.on(
    'data',
    createLineSplitter(RESPONSE_LIMIT, take, () => socket.destroy(new Error('an answer was longer than this client takes'))),
  )
  return {
    closed,
    close: () => socket.destroy(),
    call: <T>(request: Request, options: CallOptions = {}) =>
      new Promise<T>((resolve, reject) => {
        if (socket.destroyed) return reject(gone(failure))
        const id = String((lastId += 1))
        let deadline: NodeJS.Timeout | undefined
        const giveUp = (): void => {
          socket.end()
          deadline = setTimeout(() => {
            pending.get(id)?.reject(interrupted())
            pending.delete(id)
            socket.destroy()
          }, GIVE_UP_MS)
        }
        const settle =
          <V>(done: (value: V) => void) =>
          (value: V) => {
            clearTimeout(deadline)
            options.signal?.removeEventListener('abort', giveUp)
            done(value)
          }
        pending.set(id, {
          resolve: settle((value) => resolve(value as T)),
          reject: settle(reject),
          onEvent: options.onEvent,
        })
        const client = { pid: process.pid, command: options.command ?? 'shiv', tty: process.stdout.isTTY === true }
        const line: RequestLine = { v: WIRE_VERSION, id, request, client, ...(options.expects && { expects: options.expects }) }
        socket.write(`${JSON.stringify(line)}\n`)
        if (options.signal?.aborted) giveUp()
        else options.signal?.addEventListener('abort', giveUp, { once: true })
      }),
  }
}

function interrupted(): ShivError {
  return new ShivError('Interrupted; the daemon did not say how far it got.', {
    code: 'INTERRUPTED',
    exit: 130,
    hint: 'the next `shiv start` completes what was begun; should the daemon hang: shiv daemon stop',
  })
}

function gone(message: string): ShivError {
  return new ShivError(message, {
    code: 'DAEMON_GONE',
    hint: 'run the command again: the daemon starts by itself and finds its runs; `shiv doctor` shows the end of its log',
  })
}

function unreachable(path: string, cause: NodeJS.ErrnoException): ShivError {
  return new ShivError(`The daemon's socket ${path} cannot be used: ${cause.message}.`, {
    code: 'DAEMON_UNREACHABLE',
    exit: 3,
    cause,
    hint: cause.code === 'EACCES' ? 'it belongs to another user: set SHIV_HOME to a folder of your own' : 'shiv doctor',
  })
}

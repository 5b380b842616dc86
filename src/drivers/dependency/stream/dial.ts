import { connect } from 'node:net'
import type { Duplex } from 'node:stream'
import { ShivError } from '../../../core/errors.ts'
import type { DependencySetting, Upstream } from '../../../engine/dependency-ports.ts'

/** How long an upstream may take to take a connection, where the rules do not say. */
const DIAL_MS = 10_000
/** How long it may leave bytes untaken. */
const WRITE_MS = 60_000

export interface Deadlines {
  dialMs: number
  writeMs: number
}

/** The deadlines of a setting: its own, else those of shiv. */
export function deadlinesOf({ rules }: DependencySetting): Deadlines {
  return { dialMs: rules.timeouts?.connectMs ?? DIAL_MS, writeMs: rules.timeouts?.idleMs ?? WRITE_MS }
}

/**
 * Opens a connection to the upstream, below TLS: by its own way if it has one, else to its URL's host. Throws DEPENDENCY_UNREACHABLE when
 * there is none within `dialMs`, the signal's reason when that aborts.
 */
export async function dial(upstream: Upstream, defaultPort: number, dialMs: number, signal: AbortSignal): Promise<Duplex> {
  const deadline = AbortSignal.timeout(dialMs)
  const either = AbortSignal.any([signal, deadline])
  try {
    return await (upstream.connect?.(either) ?? connectTo(upstream.url, defaultPort, either))
  } catch (cause) {
    signal.throwIfAborted()
    if (cause instanceof ShivError) throw cause
    throw unreachable(upstream, deadline.aborted ? `no connection within ${dialMs / 1_000} s` : wordsOf(cause), cause)
  }
}

/** That the upstream cannot be reached, and why. */
export function unreachable(upstream: Upstream, why: string, cause?: unknown): ShivError {
  return new ShivError(`${upstream.label} cannot be reached: ${why}.`, {
    code: 'DEPENDENCY_UNREACHABLE',
    hint: `is the way there open (VPN, name, port)? ${upstream.url.hostname}:${upstream.url.port || 'its default port'}`,
    cause,
  })
}

function connectTo(url: URL, defaultPort: number, signal: AbortSignal): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted()
    const host = url.hostname.replace(/^\[|\]$/g, '')
    const port = Number(url.port || defaultPort)
    const socket = connect({ host, port, noDelay: true, keepAlive: true, keepAliveInitialDelay: 10_000, allowHalfOpen: true })
    const settle = (): void => {
      socket.removeListener('connect', onConnect)
      socket.removeListener('error', onError)
      signal.removeEventListener('abort', onAbort)
    }
    const onConnect = (): void => {
      settle()
      resolve(socket)
    }
    const onError = (error: Error): void => {
      settle()
      reject(error)
    }
    const onAbort = (): void => {
      settle()
      // What it still says has no listener any more.
      socket.on('error', () => undefined).destroy()
      reject(signal.reason as Error)
    }
    socket.once('connect', onConnect)
    socket.once('error', onError)
    signal.addEventListener('abort', onAbort, { once: true })
  })
}

function wordsOf(cause: unknown): string {
  const { code, message } = cause as NodeJS.ErrnoException
  if (code === 'ECONNREFUSED') return 'the connection was refused'
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return 'its name is not known here'
  // An AggregateError of several addresses has no text of its own.
  return message || code || String(cause)
}

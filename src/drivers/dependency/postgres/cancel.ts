import { randomBytes } from 'node:crypto'
import type { Duplex } from 'node:stream'
import type { Upstream } from '../../../engine/dependency-ports.ts'
import { dial } from '../stream/dial.ts'
import { encrypt, type Session } from './log-in.ts'
import { CODE, opening } from '../../postgres/messages.ts'

/** Sessions by the keys that their clients were given; the upstream's own keys stay here. */
export interface CancelKeys {
  /** A key of ours for a session: process and secret, 8 bytes. */
  give(session: Session, upstream: Upstream): { key: Buffer; forget(): void }
  /** Asks the upstream to cancel what the session of that key (hex) does, within `dialMs` or not at all. A key that nobody has does nothing. */
  cancel(key: string, dialMs: number, signal: AbortSignal): Promise<void>
}

export const DEFAULT_PORT = 5432

export function createCancelKeys(): CancelKeys {
  const sessions = new Map<string, { session: Session; upstream: Upstream }>()
  return {
    give(session, upstream) {
      const key = randomBytes(8)
      key[0]! &= 0x7f // a process is a positive number
      const name = key.toString('hex')
      sessions.set(name, { session, upstream })
      return { key, forget: () => void sessions.delete(name) }
    },
    async cancel(key, dialMs, signal) {
      const found = sessions.get(key)
      if (found === undefined) return
      // What cancels is over in no time, or not worth waiting for.
      const either = AbortSignal.any([signal, AbortSignal.timeout(dialMs)])
      const fresh = await dial(found.upstream, DEFAULT_PORT, dialMs, either)
      try {
        const socket = await encrypt(fresh, found.upstream, either)
        socket.write(opening(CODE.cancel, found.session.key))
        await ended(socket, either)
      } finally {
        fresh.destroy()
      }
    },
  }
}

/** The server says nothing to it but that it closes. */
function ended(socket: Duplex, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      signal.removeEventListener('abort', done)
      resolve()
    }
    signal.addEventListener('abort', done, { once: true })
    socket.once('close', done)
    socket.once('end', done)
    socket.resume()
  })
}

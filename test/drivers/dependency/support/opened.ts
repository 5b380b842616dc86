import { connect, type Socket } from 'node:net'
import { afterEach } from 'vitest'
import type { Opened } from './setting.ts'

/** What the tests of a file open, and connect to it: closed after each. */
export interface Held {
  keep<T extends Opened>(one: T): T
  /** A connection to a dependency; that it breaks is told by its end. */
  dial(to: Opened, options?: { host?: string; allowHalfOpen?: boolean }): Socket
  /** Destroyed after the test. */
  sockets: Socket[]
}

export function holdForTests(): Held {
  const opened: Opened[] = []
  const sockets: Socket[] = []
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy()
    await Promise.all(opened.splice(0).map(({ dependency }) => dependency.close()))
  })
  return {
    sockets,
    keep(one) {
      opened.push(one)
      return one
    },
    dial({ dependency }, options = {}) {
      const socket = connect({ host: '127.0.0.1', port: dependency.port, ...options }).on('error', () => undefined)
      sockets.push(socket)
      return socket
    },
  }
}

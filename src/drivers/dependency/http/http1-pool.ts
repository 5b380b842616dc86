import type { Dialer } from './dial.ts'
import { FailureError } from './failure.ts'
import type { Outbound, OutboundHead, OutboundListener } from './message.ts'
import type { UpstreamPool } from './upstream-pool.ts'
import { UpstreamConnection } from './upstream-connection.ts'

const MAX_IDLE = 256

/** Connections to one HTTP/1.1 upstream, kept from one request to the next. */
export function createHttp1Pool(dialer: Dialer): UpstreamPool {
  const idle: UpstreamConnection[] = []
  const all = new Set<UpstreamConnection>()
  let isClosed = false

  const onFree = (connection: UpstreamConnection, isUsable: boolean): void => {
    if (isUsable && !isClosed && idle.length < MAX_IDLE) {
      idle.push(connection)
      return
    }
    if (!all.delete(connection)) return
    const index = idle.indexOf(connection)
    if (index !== -1) idle.splice(index, 1)
    if (isUsable) connection.destroy()
  }

  const takeIdle = (): UpstreamConnection | undefined => {
    for (let last = idle.pop(); last !== undefined; last = idle.pop()) {
      if (last.isUsable) return last
      last.destroy()
    }
    return undefined
  }

  return {
    get openConnections() {
      return all.size
    },
    send(head, listener, { connectMs, fresh }) {
      const kept = fresh || head.upgrade !== undefined ? undefined : takeIdle()
      if (kept !== undefined) {
        listener.onConnected()
        kept.send(head, listener)
        return kept
      }
      return dialAndSend(dialer, head, listener, connectMs, (socket) => {
        const connection = new UpstreamConnection(socket, dialer.upstream, onFree)
        all.add(connection)
        return connection
      })
    },
    close() {
      isClosed = true
      for (const connection of idle.splice(0)) connection.destroy()
    },
    destroy() {
      this.close()
      for (const connection of all) connection.destroy()
    },
  }
}

/** Stands for the connection until it is there; its body is not taken before. */
function dialAndSend(
  dialer: Dialer,
  head: OutboundHead,
  listener: OutboundListener,
  connectMs: number,
  adopt: (socket: Awaited<ReturnType<Dialer['dial']>>) => UpstreamConnection,
): Outbound {
  const giveUp = new AbortController()
  let connection: UpstreamConnection | undefined
  let waiting: Buffer[] = []
  let atEnd: readonly string[] | undefined
  let isPaused = false
  const begin = async (): Promise<void> => {
    const socket = await dialer.dial('http/1.1', connectMs, giveUp.signal)
    if (giveUp.signal.aborted) return void socket.destroy()
    connection = adopt(socket)
    listener.onConnected()
    connection.send(head, listener)
    for (const chunk of waiting) connection.write(chunk)
    const hadWaiting = waiting.length > 0
    waiting = []
    if (atEnd) connection.end(atEnd)
    else if (hadWaiting) listener.onOutboundDrain()
    if (isPaused) connection.pause()
  }
  begin().catch((error: unknown) => {
    if (giveUp.signal.aborted) return
    if (!(error instanceof FailureError)) throw error
    listener.onFailure({ failure: error.failure, isUnsent: true, isStale: false })
  })
  return {
    write(chunk) {
      if (connection) return connection.write(chunk)
      waiting.push(chunk)
      return false
    },
    end(trailers) {
      if (connection) connection.end(trailers)
      else atEnd = trailers
    },
    pause() {
      isPaused = true
      connection?.pause()
    },
    resume() {
      isPaused = false
      connection?.resume()
    },
    cancel() {
      giveUp.abort()
      connection?.cancel()
    },
  }
}

import { createConnection, isIP, type LookupFunction, type NetConnectOpts } from 'node:net'
import type { Duplex, DuplexOptions } from 'node:stream'
import { connect as connectTls, createSecureContext, rootCertificates, type SecureContext, type TLSSocket } from 'node:tls'
import type { Upstream } from '../../../engine/dependency-ports.ts'
import { FailureError } from './failure.ts'
import { connectTimeout, dialFailure, invalidAnswer, portOf } from './upstream-failure.ts'

/** Bytes that may wait on each side of a connection before its source is held. */
const HIGH_WATER_MARK = 262_144

export interface Dialer {
  readonly upstream: Upstream
  /** A connection that is ready for requests, TLS agreed on where the URL says so. Rejects with FailureError. */
  dial(protocol: 'http/1.1' | 'h2', timeoutMs: number, signal: AbortSignal): Promise<Duplex>
}

/** Makes connections to one upstream. `lookup` replaces the system's name resolution. */
export function createDialer(upstream: Upstream, lookup?: LookupFunction): Dialer {
  const isTls = upstream.url.protocol === 'https:'
  const host = upstream.url.hostname.replace(/^\[|\]$/g, '')
  const servername = upstream.servername ?? host
  let context: SecureContext | undefined

  const secure = async (raw: Duplex, protocol: string): Promise<TLSSocket> => {
    if (upstream.ca !== undefined) context ??= createSecureContext({ ca: [...rootCertificates, upstream.ca] })
    const socket = connectTls({
      socket: raw,
      host: servername,
      ALPNProtocols: [protocol],
      ...(isIP(servername) === 0 && { servername }),
      ...(context && { secureContext: context }),
    })
    await until(socket, 'secureConnect')
    if (protocol === 'h2' && socket.alpnProtocol !== 'h2') {
      socket.destroy()
      throw new FailureError({
        ...invalidAnswer(upstream, 'ALPN did not agree on h2'),
        message: `${upstream.label} does not speak HTTP/2, which gRPC needs.`,
        hint: `see what it offers: openssl s_client -alpn h2 -connect ${host}:${portOf(upstream.url)} </dev/null | grep ALPN`,
      })
    }
    return socket
  }

  return {
    upstream,
    async dial(protocol, timeoutMs, signal) {
      // One timer that is cleared: AbortSignal.timeout and .any stay in memory until their time is over.
      const stop = new AbortController()
      let isLate = false
      const timer = timeoutMs > 0 ? setTimeout(() => stop.abort((isLate = true)), timeoutMs) : undefined
      const onAbort = (): void => stop.abort()
      signal.addEventListener('abort', onAbort)
      if (signal.aborted) onAbort()
      let made: Duplex | undefined
      stop.signal.addEventListener('abort', () => made?.destroy(new Error('given up')))
      try {
        if (upstream.connect) made = await unless(stop.signal, upstream.connect(stop.signal))
        else {
          const options: NetConnectOpts & DuplexOptions = {
            host,
            port: portOf(upstream.url),
            noDelay: true,
            allowHalfOpen: true,
            keepAlive: true,
            keepAliveInitialDelay: 30_000,
            writableHighWaterMark: HIGH_WATER_MARK,
            ...(lookup && { lookup }),
          }
          made = createConnection(options)
          await until(made, 'connect')
        }
        if (stop.signal.aborted) throw new Error('given up')
        if (isTls) made = await secure(made, protocol)
        return made
      } catch (error) {
        made?.destroy()
        if (isLate && !signal.aborted) throw new FailureError(connectTimeout(upstream, timeoutMs))
        if (error instanceof FailureError) throw error
        throw new FailureError(dialFailure(error, upstream))
      } finally {
        clearTimeout(timer)
        signal.removeEventListener('abort', onAbort)
      }
    },
  }
}

/** The connection, or a rejection as soon as it is no longer wanted; one that comes later is closed. */
function unless(stop: AbortSignal, connecting: Promise<Duplex>): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      reject(new Error('given up'))
      connecting.then(
        (socket) => socket.destroy(),
        () => {}, // it heard of the end itself
      )
    }
    stop.addEventListener('abort', onAbort, { once: true })
    if (stop.aborted) onAbort()
    connecting.then(resolve, reject).finally(() => stop.removeEventListener('abort', onAbort))
  })
}

function until(socket: Duplex, event: 'connect' | 'secureConnect'): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (): void => {
      socket.removeListener(event, onDone)
      socket.removeListener('error', onError)
      socket.removeListener('close', onClose)
    }
    const onDone = (): void => {
      settle()
      resolve()
    }
    const onError = (error: Error): void => {
      settle()
      socket.on('error', () => socket.destroy()) // nobody hears of a second one
      reject(error)
    }
    const onClose = (): void => onError(Object.assign(new Error('connection closed'), { code: 'ECONNRESET' }))
    socket.once(event, onDone)
    socket.once('error', onError)
    socket.once('close', onClose)
  })
}

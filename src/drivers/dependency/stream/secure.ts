import { isIP } from 'node:net'
import type { Duplex } from 'node:stream'
import { type ConnectionOptions, connect } from 'node:tls'
import type { Upstream } from '../../../engine/dependency-ports.ts'

/** What is asked of the upstream's certificate: nothing, that a known authority signed it, or also that it is for this name. */
export type Trust = 'none' | 'authority' | 'name'

/** Speaks TLS on a connection from which nothing more was read. Rejects when the certificate is not what `trust` asks for. */
export function secure(socket: Duplex, upstream: Upstream, trust: Trust, signal: AbortSignal): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted()
    const name = upstream.servername ?? upstream.url.hostname.replace(/^\[|\]$/g, '')
    const options: ConnectionOptions = {
      socket,
      host: name,
      ...(isIP(name) === 0 && { servername: name }),
      ...(upstream.ca !== undefined && { ca: upstream.ca }),
      rejectUnauthorized: trust !== 'none',
      ...(trust === 'authority' && { checkServerIdentity: () => undefined }),
    }
    const secured = connect(options)
    const settle = (): void => {
      signal.removeEventListener('abort', abort)
      secured.removeListener('error', fail)
      socket.removeListener('close', ended)
    }
    const fail = (error: Error): void => {
      settle()
      secured.on('error', () => secured.destroy()).destroy()
      reject(error)
    }
    const abort = (): void => fail(signal.reason as Error)
    const ended = (): void => fail(new Error('the connection was closed while TLS was agreed on'))
    signal.addEventListener('abort', abort, { once: true })
    socket.once('close', ended)
    secured.once('error', fail)
    secured.once('secureConnect', () => {
      settle()
      resolve(secured)
    })
  })
}

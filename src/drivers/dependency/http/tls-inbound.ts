import type { Duplex } from 'node:stream'
import { createServer } from 'node:tls'
import type { Authority, ServerCertificate } from '../../../engine/dependency-ports.ts'
import { isAging } from '../authority/open-authority.ts'

const HANDSHAKE_MS = 10_000

/** Ends TLS of services: whoever serves what is inside gets a connection that says it is `encrypted`. */
export interface TlsSide {
  /** Nothing of the connection was consumed; `first` is to be read before the rest. */
  serve(socket: Duplex, first: Buffer): void
}

/**
 * `names` are those that the certificate is for, asked at each handshake: another list, or a certificate that nears its end, and a new one is made. A
 * client that asks for another name is shown the same one, and finds that it is not for it.
 */
export function createTlsSide(options: {
  authority: Authority
  names(): readonly string[]
  accept(socket: Duplex): void
  /** Epoch milliseconds. */
  now?(): number
}): TlsSide {
  const { authority, names, accept, now = Date.now } = options
  let current: { certificate: ServerCertificate; names: string } | undefined
  const server = createServer({ ALPNProtocols: ['h2', 'http/1.1'], handshakeTimeout: HANDSHAKE_MS }, accept)
  // Who trusts another authority, or speaks something else, ends the handshake.
  server.on('tlsClientError', (_, socket) => socket.destroy())

  const certify = (): void => {
    const list = names()
    const key = list.join(' ')
    if (current?.names === key && !isAging(current.certificate, now())) return
    const certificate = authority.issue(list)
    current = { certificate, names: key }
    server.setSecureContext({ cert: certificate.certificate, key: certificate.key })
  }

  return {
    serve(socket, first) {
      certify()
      socket.on('error', () => socket.destroy()) // what is around it hears of the end
      socket.unshift(first)
      server.emit('connection', socket)
    },
  }
}

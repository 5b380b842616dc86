import { createSecureServer, type Http2Session } from 'node:http2'
import type { AddressInfo } from 'node:net'

/** The gRPC service of a staging that tests make: over TLS, behind a token; `Get` reads a price, `Set` counts. */
export interface Prices {
  port: number
  prices: Map<string, string>
  /** Methods, as they came. */
  asked: string[]
  end(): Promise<void>
}

export async function startPrices(tls: { cert: string; key: string }, token: string): Promise<Prices> {
  const sessions = new Set<Http2Session>()
  const served: Prices = { port: 0, prices: new Map([['beans', '2.50']]), asked: [], end: async () => {} }
  const server = createSecureServer(tls)
  server.on('session', (session) => {
    sessions.add(session)
    session.once('close', () => sessions.delete(session))
  })
  server.on('stream', (stream, headers) => {
    const path = String(headers[':path'])
    served.asked.push(path)
    const parts: Buffer[] = []
    stream.on('data', (part: Buffer) => parts.push(part))
    stream.on('error', () => stream.destroy())
    stream.once('end', () => {
      const [item = '', price = ''] = textOf(Buffer.concat(parts)).split('=')
      if (path.endsWith('/Set')) served.prices.set(item, price)
      const isKnown = headers.authorization === `Bearer ${token}`
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
      stream.once('wantTrailers', () => stream.sendTrailers({ 'grpc-status': isKnown ? '0' : '16' }))
      stream.end(isKnown ? messageOf(served.prices.get(item) ?? 'none') : undefined)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  served.port = (server.address() as AddressInfo).port
  served.end = () => {
    for (const session of sessions) session.destroy()
    return new Promise((resolve) => server.close(() => resolve()))
  }
  return served
}

/** A message with one text, field 1, in gRPC's frame. */
export function messageOf(text: string): Buffer {
  const field = Buffer.concat([Buffer.from([0x0a, Buffer.byteLength(text)]), Buffer.from(text)])
  const head = Buffer.alloc(5)
  head.writeUInt32BE(field.length, 1)
  return Buffer.concat([head, field])
}

/** The text of such a message; empty of none. */
export function textOf(framed: Buffer): string {
  return framed.length < 7 ? '' : framed.toString('utf8', 7)
}

import { createServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'

/** The HTTP service of a staging that tests make: over TLS, behind a token, with invoices that count. */
export interface Billing {
  port: number
  invoices: string[]
  /** Methods and paths, as they came. */
  asked: string[]
  end(): Promise<void>
}

export async function startBilling(tls: { cert: string; key: string }, token: string): Promise<Billing> {
  const sockets = new Set<Socket>()
  const billing: Billing = { port: 0, invoices: ['one', 'two'], asked: [], end: async () => {} }
  const server = createServer(tls, (request, response) => {
    billing.asked.push(`${request.method} ${request.url}`)
    if (request.headers.authorization !== `Bearer ${token}`) return void response.writeHead(401).end('who are you?')
    if (request.url === '/events') {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      const timer = setInterval(() => response.write('data: tick\n\n'), 20)
      return void response.once('close', () => clearInterval(timer))
    }
    if (request.method === 'POST') billing.invoices.push(request.url ?? '')
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end(JSON.stringify({ host: request.headers.host, invoices: billing.invoices }))
  })
  server.on('secureConnection', (socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  billing.port = (server.address() as AddressInfo).port
  billing.end = () => {
    for (const socket of sockets) socket.destroy()
    return new Promise((resolve) => server.close(() => resolve()))
  }
  return billing
}

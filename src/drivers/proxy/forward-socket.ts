import type { IncomingMessage } from 'node:http'
import { createConnection, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Endpoint } from '../../engine/ports.ts'
import { rawAnswer } from './answers.ts'
import { requestHeaders } from './forward-headers.ts'
import { refusalOf } from './refusals.ts'
import { addressOf, type HoldLimits, type Route, type Turn } from './route.ts'

/** Carries an upgraded connection (WebSocket): the request as it is, then bytes both ways. */
export async function forwardUpgrade(
  request: IncomingMessage,
  client: Duplex,
  head: Buffer,
  route: Route,
  limits: HoldLimits,
): Promise<void> {
  const result = await connectNext(client, route, limits)
  if ('refused' in result) return void client.end(rawAnswer(refusalOf(route, result.refused, limits.timeoutMs / 1_000)))
  const headers = [
    'Connection',
    request.headers.connection ?? 'Upgrade',
    'Upgrade',
    request.headers.upgrade ?? '',
    ...requestHeaders(request),
  ]
  const lines = [`${request.method} ${request.url} HTTP/1.1`]
  for (let index = 0; index < headers.length; index += 2) lines.push(`${headers[index]}: ${headers[index + 1]}`)
  // As Node read them: a byte a character.
  result.socket.write(`${lines.join('\r\n')}\r\n\r\n`, 'latin1')
  if (head.length > 0) result.socket.write(head)
  // Once it is answered it has no end that a restart could wait for.
  result.socket.once('data', result.done)
  result.socket.once('close', result.done)
  join(client, result.socket)
}

/** Carries a TCP connection to the service's next endpoint; it is closed when none becomes ready in time. */
export async function forwardTcp(client: Socket, route: Route, limits: HoldLimits): Promise<void> {
  const result = await connectNext(client, route, limits)
  if ('refused' in result) return void client.destroy()
  result.done()
  join(client, result.socket)
}

/** A connection to an endpoint that takes one; another is tried when it is refused, until the time is up. */
async function connectNext(
  client: Duplex,
  route: Route,
  limits: HoldLimits,
): Promise<{ socket: Socket; done(): void } | Extract<Turn, { refused: string }>> {
  const gone = new AbortController()
  client.once('close', () => gone.abort())
  client.on('error', () => client.destroy()) // a client that broke off; 'close' follows
  const tried = new Set<string>()
  const end = performance.now() + limits.timeoutMs
  for (;;) {
    const turn = await route.next(gone.signal, tried)
    if ('refused' in turn) return turn
    const socket = await dial(turn.endpoint)
    if (socket) return { socket, done: turn.done }
    turn.done()
    if (performance.now() > end) return { refused: 'timeout' }
    tried.add(addressOf(turn.endpoint))
  }
}

function dial({ host, port }: Endpoint): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = createConnection({ host, port, allowHalfOpen: true, noDelay: true })
    const onError = (): void => resolve(undefined)
    socket.once('error', onError)
    socket.once('connect', () => {
      socket.removeListener('error', onError)
      resolve(socket)
    })
  })
}

function join(client: Duplex, upstream: Socket): void {
  if (client.destroyed) return void upstream.destroy()
  upstream.on('error', () => client.destroy())
  client.once('close', () => upstream.destroy())
  upstream.once('close', () => client.destroy())
  client.pipe(upstream)
  upstream.pipe(client)
}

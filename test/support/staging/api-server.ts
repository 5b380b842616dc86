import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { createServer } from 'node:https'
import { connect, type AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'

/** What the API server of a staging that tests make knows of one namespace. */
export interface StagingObjects {
  namespace: string
  /** The one that is taken now. */
  token: string
  /** Services, and the port of this machine that the pod behind each is. */
  services: Record<string, number>
  /** Secrets by name, values by key. */
  secrets: Record<string, Record<string, string>>
}

export interface StagingApi {
  port: number
  /** Forwards that were opened. */
  forwards: number
  end(): Promise<void>
}

/**
 * As much of an API server as a tunnel asks of one, on real sockets over TLS: Services, their EndpointSlices, Secrets, and port-forward by
 * WebSocket to ports of this machine. It stands in where a test has no cluster; the same is asked of a real one elsewhere.
 */
export async function startStagingApi(tls: { cert: string; key: string }, objects: StagingObjects): Promise<StagingApi> {
  const { namespace, services, secrets } = objects
  const api: StagingApi = { port: 0, forwards: 0, end: async () => {} }
  const sockets = new Set<Duplex>()
  const answerTo = (path: string): unknown => {
    const [, kind, name] = new RegExp(`/namespaces/${namespace}/(\\w+)/?([^/?]*)`).exec(path) ?? []
    if (kind === 'services' && services[name!]) return { metadata: { name }, spec: { ports: [{ port: 5432 }] } }
    if (kind === 'endpointslices') {
      const service = /service-name(?:=|%3D)([\w-]+)/.exec(path)?.[1] ?? ''
      const endpoints = [{ conditions: { ready: true }, targetRef: { kind: 'Pod', name: `${service}-0` } }]
      return { items: services[service] ? [{ ports: [{ name: '', port: services[service] }], endpoints }] : [] }
    }
    if (kind === 'secrets' && secrets[name!]) {
      const data = Object.entries(secrets[name!]!).map(([key, value]) => [key, Buffer.from(value).toString('base64')])
      return { metadata: { name }, data: Object.fromEntries(data) }
    }
    return undefined
  }
  const isKnown = ({ headers }: IncomingMessage): boolean => headers.authorization === `Bearer ${objects.token}`
  const server = createServer(tls, (request, response) => {
    const answer = isKnown(request) ? answerTo(request.url ?? '') : undefined
    response.writeHead(isKnown(request) ? (answer ? 200 : 404) : 401, { 'content-type': 'application/json' })
    response.end(JSON.stringify(answer ?? { kind: 'Status', message: 'no' }))
  })
  server.on('upgrade', (request: IncomingMessage, socket: Duplex) => {
    const port = new URL(request.url ?? '', 'http://api').searchParams.get('ports')
    if (!isKnown(request)) return void socket.end('HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n')
    const accept = createHash('sha1')
      .update(`${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
      .digest('base64')
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: ${accept}\r\nsec-websocket-protocol: ${request.headers['sec-websocket-protocol']}\r\n\r\n`,
    )
    api.forwards += 1
    forward(socket, Number(port))
  })
  server.on('secureConnection', (socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  api.port = (server.address() as AddressInfo).port
  api.end = () => {
    for (const socket of sockets) socket.destroy()
    return new Promise((resolve) => server.close(() => resolve()))
  }
  return api
}

/** Channel 0 is the port's bytes, channel 1 its errors; each begins with the port's number. */
function forward(socket: Duplex, port: number): void {
  const pod = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  const send = (opcode: number, payload: Buffer): void => {
    const head = payload.length < 126 ? Buffer.from([0x80 | opcode, payload.length]) : Buffer.alloc(4)
    if (payload.length >= 126) {
      head[0] = 0x80 | opcode
      head[1] = 126
      head.writeUInt16BE(payload.length, 2)
    }
    socket.write(Buffer.concat([head, payload]))
  }
  const number = Buffer.alloc(2)
  number.writeUInt16LE(port)
  for (const channel of [0, 1]) send(2, Buffer.concat([Buffer.from([channel]), number]))
  pod.on('data', (chunk: Buffer) => {
    for (let at = 0; at < chunk.length; at += 30_000) send(2, Buffer.concat([Buffer.from([0]), chunk.subarray(at, at + 30_000)]))
  })
  pod.once('end', () => send(8, Buffer.from([0x03, 0xe8])))
  pod.on('error', () => socket.destroy())
  let held = Buffer.alloc(0)
  socket.on('data', (chunk: Buffer) => {
    held = Buffer.concat([held, chunk])
    for (let frame = readFrame(held); frame !== undefined; frame = readFrame(held)) {
      held = held.subarray(frame.end)
      if (frame.opcode === 8) pod.end()
      else if (frame.opcode === 9) send(10, frame.payload)
      else if (frame.payload[0] === 0) pod.write(frame.payload.subarray(1))
    }
  })
  socket.on('error', () => pod.destroy())
  socket.once('close', () => pod.destroy())
}

/** One masked frame of a client, when it is there in full. */
function readFrame(bytes: Buffer): { opcode: number; payload: Buffer; end: number } | undefined {
  if (bytes.length < 2) return undefined
  const short = bytes[1]! & 0x7f
  const head = short === 126 ? 4 : short === 127 ? 10 : 2
  if (bytes.length < head + 4) return undefined
  const length = short === 126 ? bytes.readUInt16BE(2) : short === 127 ? Number(bytes.readBigUInt64BE(2)) : short
  const end = head + 4 + length
  if (bytes.length < end) return undefined
  const mask = bytes.subarray(head, head + 4)
  const payload = Buffer.from(bytes.subarray(head + 4, end))
  for (let at = 0; at < payload.length; at += 1) payload[at]! ^= mask[at % 4]!
  return { opcode: bytes[0]! & 0x0f, payload, end }
}

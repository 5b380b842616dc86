import { createHash } from 'node:crypto'
import { Agent, createServer, request as httpRequest, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createProxyServer } from 'httpxy'
import { Pool } from 'undici'
import { createFrontDoor } from '../../../src/drivers/proxy/front-door.ts'
import type { Roles } from './roles.ts'

const body = Buffer.alloc(512, 'x')
const large = Buffer.alloc(1_048_576, 'x')

/** The service behind, proxies of others to hold ours against, and the front door. Each wants the upstream's port; the door a home too. */
export const httpRoles: Roles = {
  service: () => {
    const server = createServer((request, response) => {
      const sized = /^\/bytes\/(\d+)$/.exec(request.url ?? '')
      if (sized) return giveBytes(Number(sized[1]), response)
      if (request.method === 'GET') return response.end(body)
      let received = 0
      request.on('data', (chunk: Buffer) => (received += chunk.length))
      request.on('end', () => response.end(String(received)))
    })
    server.on('upgrade', (request, socket) => {
      const accept = createHash('sha1')
        .update(`${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
        .digest('base64')
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
      )
      socket.on('error', () => socket.destroy()) // the bench hangs up
      socket.resume()
    })
    return listen(server)
  },
  plain(upstream) {
    const agent = new Agent({ keepAlive: true, maxFreeSockets: 64 })
    return listen(
      createServer((request, response) => {
        const { method, url: path, headers } = request
        const asked = httpRequest({ host: '127.0.0.1', port: Number(upstream), method, path, headers, agent }, (answered) => {
          response.writeHead(answered.statusCode ?? 502, answered.headers)
          answered.pipe(response)
        })
        asked.on('error', () => response.destroy())
        request.pipe(asked)
      }),
    )
  },
  undici(upstream) {
    const pool = new Pool(`http://127.0.0.1:${upstream}`, { pipelining: 1 })
    return listen(
      createServer((request, response) => {
        pool.dispatch(
          {
            method: request.method as 'GET',
            path: request.url!,
            headers: request.rawHeaders,
            body: request.method === 'GET' ? null : request,
          },
          {
            onConnect() {},
            onHeaders(status, headers, resume) {
              response.writeHead(
                status,
                (headers as Buffer[]).map((header) => header.toString('latin1')),
              )
              response.on('drain', resume)
              return true
            },
            onData: (chunk) => response.write(chunk),
            onComplete: () => void response.end(),
            onError: () => void response.destroy(),
          },
        )
      }),
    )
  },
  httpxy(upstream) {
    const agent = new Agent({ keepAlive: true, maxFreeSockets: 64 })
    const proxy = createProxyServer({ target: `http://127.0.0.1:${upstream}`, agent })
    return listen(createServer((request, response) => void proxy.web(request, response)))
  },
  async door(upstream, home = '') {
    const door = await createFrontDoor({ home })
    const endpoints = [{ host: '127.0.0.1', port: Number(upstream) }]
    return (await door.route({ host: 'service.bench', workspace: 'bench', service: 'service', endpoints })).port
  },
}

function giveBytes(count: number, response: ServerResponse): void {
  response.writeHead(200, { 'content-length': count })
  let left = count
  const more = (): void => {
    while (left > 0) {
      const chunk = left < large.length ? large.subarray(0, left) : large
      left -= chunk.length
      if (!response.write(chunk)) return void response.once('drain', more)
    }
    response.end()
  }
  more()
}

async function listen(server: Server): Promise<number> {
  server.keepAliveTimeout = 60_000
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return (server.address() as AddressInfo).port
}

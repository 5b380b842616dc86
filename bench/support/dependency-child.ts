// A child of `bench:proxy`: the service behind, or one proxy in front of it; it tells its port, and its processor time and memory when asked.
import { Agent, createServer, request as httpRequest, type Server } from 'node:http'
import { createHash } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { Pool } from 'undici'
import { createProxyServer } from 'httpxy'
import { openHttpDependency } from '../../src/drivers/dependency/http/open.ts'
import { openExchange } from '../../src/drivers/dependency/recording/open-exchange.ts'
import type { DependencySetting } from '../../src/engine/dependency-ports.ts'

const [role = '', upstream = ''] = process.argv.slice(2)
const body = Buffer.alloc(512, 'x')
const large = Buffer.alloc(1_048_576, 'x')

const roles: Record<string, () => Promise<number>> = {
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
  plain() {
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
  undici() {
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
  httpxy() {
    const agent = new Agent({ keepAlive: true, maxFreeSockets: 64 })
    const proxy = createProxyServer({ target: `http://127.0.0.1:${upstream}`, agent })
    return listen(createServer((request, response) => void proxy.web(request, response)))
  },
  shiv: () => openShiv({}),
  'shiv with rules': () =>
    openShiv({
      access: { level: 'read_only', allow: [{ method: 'POST', path: '/searches/**', why: 'reads by POST' }] },
      rules: {
        request: { set: { 'X-Team': 'payments' }, remove: ['X-Debug'] },
        response: { set: { 'X-Seen': '1' }, remove: ['Server'] },
        auth: { bearer: { env: 'BENCH_TOKEN' } },
        rewrite: [{ from: '/api', to: '/v2' }],
        forwarded: true,
        retries: { attempts: 2, budget: 0.2 },
        breaker: { failures: 5, coolMs: 1_000 },
        timeouts: { headersMs: 5_000, totalMs: 30_000 },
      },
    }),
  'shiv recording': () =>
    openShiv({
      mode: 'record',
      recording: { file: join(import.meta.dirname, 'service.har'), recordMissing: false, rules: noRules },
    }),
}
const noRules = {
  ignore: { query: [], headers: [], body: [] },
  redact: { headers: [], cookies: [], body: [], patterns: [] },
  order: 'any' as const,
}

async function openShiv(changes: Partial<DependencySetting>): Promise<number> {
  const setting: DependencySetting = {
    name: 'service',
    protocol: 'http',
    mode: 'staging',
    access: { level: 'read_write', allow: [] },
    rules: {},
    upstream: { url: new URL(`http://127.0.0.1:${upstream}`), label: 'staging (service)' },
    ...changes,
  }
  const dependency = await openHttpDependency(setting, {
    onEvent() {},
    readToken: async () => ({ token: 'bench-token' }),
    openExchange,
  })
  return dependency.port
}

function giveBytes(count: number, response: import('node:http').ServerResponse): void {
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

process.on('message', (what) => {
  const { user, system } = process.cpuUsage()
  if (what === 'collect') globalThis.gc?.()
  process.send?.({ cpuMicroseconds: user + system, rss: process.memoryUsage.rss() })
})
process.on('disconnect', () => process.exit(0))
process.send?.({ port: await roles[role]!() })

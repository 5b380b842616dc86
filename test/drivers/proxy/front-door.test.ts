import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, request as httpRequest, type IncomingMessage, type RequestListener, type Server } from 'node:http'
import { connect, createServer as createTcpServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createFrontDoor } from '../../../src/drivers/proxy/front-door.ts'
import type { Endpoint, FrontDoor } from '../../../src/engine/ports.ts'

let home: string
let door: FrontDoor
const servers: { close(): unknown; closeAllConnections?(): void }[] = []

beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'shiv-door-'))
  door = await createFrontDoor({ home })
})
afterEach(async () => {
  await door.close()
  for (const server of servers.splice(0)) {
    server.closeAllConnections?.()
    server.close()
  }
  rmSync(home, { recursive: true, force: true })
})

async function upstream(listener: RequestListener, port = 0): Promise<Endpoint & { server: Server }> {
  const server = createServer(listener)
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  return { host: '127.0.0.1', port: (server.address() as AddressInfo).port, server }
}

const route = (endpoints: Endpoint[], service = 'orders', workspace = 'shop', protocol: 'http' | 'tcp' = 'http') =>
  door.route({ host: `${service}.${workspace}`, workspace, service, endpoints, protocol })

interface Answer {
  status: number
  headers: IncomingMessage['headers']
  body: string
}

function ask(options: {
  host?: string
  port?: number
  path?: string
  method?: string
  headers?: Record<string, string>
  body?: string
  to?: string
}) {
  return new Promise<Answer>((resolve, reject) => {
    const request = httpRequest(
      {
        host: options.to ?? '127.0.0.1',
        port: options.port ?? door.port,
        path: options.path ?? '/',
        method: options.method ?? (options.body === undefined ? 'GET' : 'POST'),
        headers: { host: options.host ?? 'orders.localhost', ...options.headers },
      },
      (response) => {
        let body = ''
        response.setEncoding('utf8')
        response.on('data', (chunk: string) => (body += chunk))
        response.on('end', () => resolve({ status: response.statusCode!, headers: response.headers, body }))
        response.on('error', reject)
      },
    )
    request.on('error', reject)
    request.end(options.body)
  })
}

test('routes by host on the shared port, and by port on the own one', async () => {
  const one = await upstream((_request, response) => response.end('orders'))
  const two = await upstream((_request, response) => response.end('users'))
  const { port, url } = await route([one])
  await route([two], 'users')
  expect(url).toBe(`http://orders.localhost:${door.port}`)
  expect((await ask({})).body).toBe('orders')
  expect((await ask({ host: `users.localhost:${door.port}` })).body).toBe('users')
  expect((await ask({ host: 'orders.shop.localhost' })).body).toBe('orders')
  expect((await ask({ host: 'localhost', port })).body).toBe('orders')
  expect((await ask({ to: '::1' })).body).toBe('orders')
})

test('tells who served, and the service who asked', async () => {
  const one = await upstream((request, response) => {
    response.setHeader('set-cookie', ['a=1', 'b=2'])
    response.end(JSON.stringify(request.headers))
  })
  await route([one])
  const { headers, body } = await ask({
    host: 'orders.localhost:7777',
    headers: { connection: 'x-private', 'x-private': '1', 'x-forwarded-for': '9.9.9.9' },
  })
  expect(headers['shiv-served-by']).toBe(`orders 127.0.0.1:${one.port}`)
  expect(headers['set-cookie']).toEqual(['a=1', 'b=2'])
  expect(JSON.parse(body)).toMatchObject({
    host: 'orders.localhost:7777',
    'x-forwarded-for': '9.9.9.9, 127.0.0.1',
    'x-forwarded-host': 'orders.localhost:7777',
    'x-forwarded-proto': 'http',
  })
  expect(JSON.parse(body)).not.toHaveProperty('x-private')
})

test('endpoints take turns, over kept connections', async () => {
  let connections = 0
  const counted = async (name: string) => {
    const one = await upstream((_request, response) => response.end(name))
    one.server.on('connection', () => (connections += 1))
    return one
  }
  await route([await counted('a'), await counted('b')])
  const bodies = []
  for (let index = 0; index < 6; index += 1) bodies.push((await ask({})).body)
  expect(bodies.join('')).toMatch(/^(ab){3}$|^(ba){3}$/)
  expect(connections).toBe(2)
})

test('a request waits for a service that is not ready and is served when it is', async () => {
  const one = await upstream((_request, response) => response.end('late'))
  await route([])
  let isAnswered = false
  const waiting = ask({ body: 'kept' }).finally(() => (isAnswered = true))
  await new Promise((resolve) => setTimeout(resolve, 50))
  expect(isAnswered).toBe(false)
  await route([one])
  expect(await waiting).toMatchObject({ status: 200, body: 'late' })
})

test('the wait is bounded in time and in number', async () => {
  await door.close()
  door = await createFrontDoor({ home, hold: { count: 2, timeoutMs: 100 } })
  await route([])
  const answers = await Promise.all([ask({}), ask({}), ask({})])
  const codes = answers.map(({ status, body }) => `${status} ${JSON.parse(body).error.code}`).sort()
  expect(codes).toEqual(['503 SERVICE_NOT_READY', '503 SERVICE_NOT_READY', '503 TOO_MANY_WAITING'])
})

test('a client that leaves gives its place back', async () => {
  await door.close()
  door = await createFrontDoor({ home, hold: { count: 1, timeoutMs: 5_000 } })
  await route([])
  const one = await upstream((_request, response) => response.end('served'))
  const leaver = httpRequest({ host: '127.0.0.1', port: door.port, headers: { host: 'orders.localhost' } })
  leaver.on('error', () => {}) // it hangs up on purpose
  leaver.end()
  await new Promise((resolve) => setTimeout(resolve, 50))
  expect((await ask({})).status).toBe(503)
  leaver.destroy()
  await new Promise((resolve) => setTimeout(resolve, 50))
  const next = ask({})
  await new Promise((resolve) => setTimeout(resolve, 20))
  await route([one])
  expect((await next).body).toBe('served')
})

test('goes on to the next endpoint when one refuses, bodies included', async () => {
  const dead = await upstream((_request, response) => response.end())
  const alive = await upstream((request, response) => request.pipe(response))
  await new Promise((resolve) => dead.server.close(resolve))
  await route([dead, alive])
  for (let index = 0; index < 4; index += 1) expect((await ask({ body: `body ${index}` })).body).toBe(`body ${index}`)
})

test('no request is lost while the only replica is replaced on the same port', async () => {
  const first = await upstream((_request, response) => response.end('old'))
  await route([first])
  expect((await ask({})).body).toBe('old')
  first.server.closeAllConnections()
  await new Promise((resolve) => first.server.close(resolve))
  const waiting = [ask({}), ask({ body: 'x' })]
  await new Promise((resolve) => setTimeout(resolve, 120))
  await upstream((_request, response) => response.end('new'), first.port)
  expect((await Promise.all(waiting)).map(({ body }) => body)).toEqual(['new', 'new'])
})

test('an answer that breaks off breaks off for the client too', async () => {
  const one = await upstream((_request, response) => {
    response.writeHead(200, { 'content-length': '100' })
    response.write('half')
    setImmediate(() => response.destroy())
  })
  await route([one])
  await expect(ask({})).rejects.toThrow(/aborted|hang up|reset/i)
})

test('streams both ways: an event arrives before the answer ends', async () => {
  let endAnswer = (): void => {}
  const one = await upstream((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write('data: 1\n\n')
    endAnswer = () => response.end()
  })
  await route([one])
  const first = await new Promise<string>((resolve, reject) => {
    httpRequest({ host: '127.0.0.1', port: door.port, headers: { host: 'orders.localhost' } }, (response) => {
      response.setEncoding('utf8')
      response.once('data', resolve)
    })
      .on('error', reject)
      .end()
  })
  expect(first).toBe('data: 1\n\n')
  endAnswer()
})

test('carries an upgraded connection both ways', async () => {
  const one = await upstream((_request, response) => response.end())
  one.server.on('upgrade', (request, socket) => {
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nupgrade: echo\r\nconnection: upgrade\r\n\r\n${request.headers['x-forwarded-host']};`,
    )
    socket.pipe(socket)
  })
  await route([one])
  const text = await new Promise<string>((resolve, reject) => {
    const request = httpRequest({
      host: '127.0.0.1',
      port: door.port,
      headers: { host: 'orders.localhost', connection: 'Upgrade', upgrade: 'echo' },
    })
    request.on('upgrade', (_response, socket, head) => {
      let seen = head.toString()
      socket.on('data', (chunk: Buffer) => {
        seen += chunk.toString()
        if (!seen.includes('ping')) return
        socket.destroy()
        resolve(seen)
      })
      socket.write('ping')
    })
    request.on('error', reject)
    request.end()
  })
  expect(text).toBe('orders.localhost;ping')
})

test('other protocols are bytes on the own port, held until there is an endpoint', async () => {
  const server = createTcpServer((socket) => socket.pipe(socket))
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port, url } = await route([], 'events', 'shop', 'tcp')
  expect(url).toBe(`tcp://localhost:${port}`)
  const echoed = new Promise<string>((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.end('bytes'))
    socket.setEncoding('utf8')
    socket.once('data', resolve)
    socket.once('error', reject)
  })
  await route([{ host: '127.0.0.1', port: (server.address() as AddressInfo).port }], 'events', 'shop', 'tcp')
  expect(await echoed).toBe('bytes')
})

test('an unknown name gets the list of services, as a page for browsers', async () => {
  await route([])
  const json = await ask({ host: 'nobody.localhost' })
  expect(json.status).toBe(404)
  expect(JSON.parse(json.body)).toMatchObject({
    error: { code: 'SERVICE_UNKNOWN', hint: `What runs here: http://orders.localhost:${door.port}` },
    services: [{ name: 'orders', url: `http://orders.localhost:${door.port}` }],
  })
  const page = await ask({ host: 'localhost', headers: { accept: 'text/html,*/*' } })
  expect(page.status).toBe(200)
  expect(page.headers['content-type']).toContain('text/html')
  expect(page.body).toContain(`<a href="http://orders.localhost:${door.port}">orders</a>`)
})

test.each(['evil.example', '169.254.169.254', 'localhost.evil.example', '<script>.localhost'])(
  'refuses the host %j on both ports',
  async (host) => {
    const one = await upstream((_request, response) => response.end('secret'))
    const { port } = await route([one])
    for (const at of [door.port, port]) {
      const refused = await ask({ host, port: at })
      expect(refused.status).toBe(421)
      expect(refused.body).toContain('HOST_REFUSED')
    }
  },
)

test('two workspaces with a service of one name: the first keeps the short name', async () => {
  await route([await upstream((_request, response) => response.end('shop'))])
  const second = await route([await upstream((_request, response) => response.end('bakery'))], 'orders', 'bakery')
  expect(second.url).toBe(`http://orders.bakery.localhost:${door.port}`)
  expect((await ask({})).body).toBe('shop')
  expect((await ask({ host: 'orders.bakery.localhost' })).body).toBe('bakery')
  await door.remove('orders.shop')
  expect((await ask({})).body).toBe('bakery')
})

test('ports are kept over front doors, and another is taken when one is not free', async () => {
  const first = { shared: door.port, own: (await route([])).port }
  await door.close()
  door = await createFrontDoor({ home })
  expect({ shared: door.port, own: (await route([])).port }).toEqual(first)
  await door.close()
  await upstream((_request, response) => response.end('somebody else'), first.shared)
  door = await createFrontDoor({ home })
  expect(door.port).not.toBe(first.shared)
})

test('a broken book of ports is begun anew', async () => {
  await door.close()
  writeFileSync(join(home, 'front-door.json'), '{"ports":')
  door = await createFrontDoor({ home })
  expect(JSON.parse(readFileSync(join(home, 'front-door.json'), 'utf8')).ports.shared).toBe(door.port)
})

test('nothing listens after the last route is gone, and the same port does with the next one', async () => {
  const { port } = await route([])
  const shared = door.port
  await door.remove('orders.shop')
  for (const closed of [port, shared]) await expect(ask({ port: closed })).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  expect((await route([])).port).toBe(port)
  expect(door.port).toBe(shared)
})

test('a body stays a body, whatever the method and the Connection header say', async () => {
  const seen: string[] = []
  const service = await upstream((request, response) => {
    let body = ''
    request.on('data', (chunk: Buffer) => (body += chunk.toString()))
    request.on('end', () => {
      seen.push(`${request.method} ${request.url} ${request.headers.host} ${body.length}`)
      response.end('ok')
    })
  })
  await route([service])
  const hidden = 'GET /hidden HTTP/1.1\r\nHost: evil.example\r\n\r\n'
  const size = hidden.length
  const chunked = `Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n${size.toString(16)}\r\n${hidden}\r\n0\r\n\r\n`
  const named = `Content-Length: ${size}\r\nConnection: close, content-length, host\r\n\r\n${hidden}`
  for (const method of ['GET', 'DELETE', 'OPTIONS', 'POST'])
    for (const rest of [chunked, named]) await sayRaw(`${method} / HTTP/1.1\r\nHost: orders.localhost\r\n${rest}`)
  expect(seen).toEqual(['GET', 'DELETE', 'OPTIONS', 'POST'].flatMap((m) => Array(2).fill(`${m} / orders.localhost ${size}`)))
})

test('the service sees one Host, the one that was looked at', async () => {
  const hosts: string[][] = []
  const service = await upstream((request, response) => {
    hosts.push(request.headersDistinct['host'] ?? [])
    response.end()
  })
  await route([service])
  await sayRaw('GET / HTTP/1.1\r\nHost: orders.localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n')
  expect(hosts).toEqual([['orders.localhost']])
})

/** Sends bytes as they are and waits for the end of the answer. */
function sayRaw(text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = ''
    const socket = connect(door.port!, '127.0.0.1', () => socket.write(text))
    socket.on('data', (chunk: Buffer) => (answer += chunk.toString()))
    socket.on('end', () => resolve(answer))
    socket.on('error', reject)
  })
}

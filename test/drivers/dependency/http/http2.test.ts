import {
  connect,
  createServer,
  type ClientHttp2Session,
  type Http2Server,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2'
import type { AddressInfo } from 'node:net'
import { toHttp2Headers } from '../../../../src/drivers/dependency/http/http2-headers.ts'
import { expect, test } from 'vitest'
import { cleanUp, httpUpstream, open, rawUpstream, until } from './support.ts'

async function http2Upstream(onStream: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void): Promise<number> {
  const server: Http2Server = createServer()
  const sessions = new Set<{ destroy(): void }>()
  server.on('session', (session) => sessions.add(session))
  server.on('stream', (stream, headers) => {
    stream.on('error', () => {}) // told by 'close'
    onStream(stream, headers)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  cleanUp(() => {
    for (const session of sessions) session.destroy()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

function session(port: number): ClientHttp2Session {
  const client = connect(`http://127.0.0.1:${port}`)
  client.on('error', () => {}) // each stream is told
  cleanUp(() => client.destroy())
  return client
}

interface Called {
  headers: IncomingHttpHeaders
  trailers: IncomingHttpHeaders
  body: string
  /** Whether the answer was one frame of headers. */
  isTrailersOnly: boolean
}

function call(client: ClientHttp2Session, headers: OutgoingHttpHeaders, body?: string): Promise<Called> {
  return new Promise((resolve, reject) => {
    const stream = client.request(
      { ':method': body === undefined ? 'GET' : 'POST', ':path': '/', ...headers },
      { endStream: body === undefined },
    )
    const called: Called = { headers: {}, trailers: {}, body: '', isTrailersOnly: false }
    stream.on('response', (given, flags) => {
      called.headers = given
      called.isTrailersOnly = (flags & 1) !== 0
    })
    stream.on('trailers', (given) => (called.trailers = given))
    stream.setEncoding('utf8')
    stream.on('data', (text: string) => (called.body += text))
    stream.on('end', () => resolve(called))
    stream.on('error', reject)
    if (body !== undefined) stream.end(body)
  })
}

const grpc = { 'content-type': 'application/grpc', te: 'trailers' }

test('gRPC: metadata, trailers and a stream of messages both ways at once', async () => {
  const server = await http2Upstream((stream, headers) => {
    stream.respond(
      { ':status': 200, 'content-type': 'application/grpc', 'x-meta': headers['x-meta'] as string },
      { waitForTrailers: true },
    )
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0', 'x-end': headers[':path']! }))
    stream.on('data', (chunk: Buffer) => stream.write(`echo ${chunk.toString()};`))
    stream.on('end', () => stream.end('done'))
  })
  const { port, events } = await open(server, { protocol: 'grpc' })
  const stream = session(port).request({ ':method': 'POST', ':path': '/shop.Orders/Watch', 'x-meta': 'm', ...grpc })
  stream.setEncoding('utf8')
  let text = ''
  let answer: IncomingHttpHeaders = {}
  let trailers: IncomingHttpHeaders = {}
  stream.on('response', (headers) => (answer = headers))
  stream.on('trailers', (given) => (trailers = given))
  stream.on('data', (chunk: string) => (text += chunk))
  stream.write('one')
  await until(() => text === 'echo one;', 'the first message to come back while the request is open')
  stream.write('two')
  await until(() => text === 'echo one;echo two;', 'the second')
  stream.end()
  await new Promise((resolve) => stream.on('end', resolve))
  expect(text).toBe('echo one;echo two;done')
  expect(answer).toMatchObject({ 'x-meta': 'm', 'shiv-served-by': 'staging (billing)' })
  expect(trailers).toMatchObject({ 'grpc-status': '0', 'x-end': '/shop.Orders/Watch' })
  await until(() => events.length === 1, 'the event')
  expect(events[0]).toMatchObject({
    protocol: 'grpc',
    summary: 'POST /shop.Orders/Watch',
    status: '0',
    outcome: 'answered',
    sentBytes: 6,
  })
})

test('gRPC: an answer of trailers only stays one', async () => {
  const server = await http2Upstream((stream) =>
    stream.respond({ ':status': 200, ...grpc, 'grpc-status': '5' }, { endStream: true }),
  )
  const { port } = await open(server, { protocol: 'grpc' })
  const called = await call(session(port), { ':path': '/a.B/C', ...grpc }, 'x')
  expect(called.headers['grpc-status']).toBe('5')
  expect(called.isTrailersOnly).toBe(true)
})

test('gRPC, read-only: every method is refused as gRPC has it, but those of the list', async () => {
  let reached = 0
  const server = await http2Upstream((stream) => {
    reached += 1
    stream.respond({ ':status': 200, ...grpc, 'grpc-status': '0' }, { endStream: true })
  })
  const allow = [
    { path: '/shop.Orders/Get', why: 'reads' },
    { path: '/shop.Read/*', why: 'reads' },
  ]
  const { port, events } = await open(server, { protocol: 'grpc', access: { level: 'read_only', allow } })
  const client = session(port)
  for (const path of [
    '/shop.Orders/Create',
    '/shop.Orders/Get/..%2fCreate',
    '/shop.Orders/Get?x',
    '/shop.Read/Get/x',
    '//shop.Orders/Get',
    '/shop.orders/Get',
    '/shop.Orders/Get/',
    '/shop.Orders/%2e%2e/Create',
  ]) {
    const refused = await call(client, { ':path': path, ...grpc }, 'x')
    expect(refused.headers, path).toMatchObject({
      ':status': 200,
      'grpc-status': '7',
      'shiv-served-by': 'guard',
      'content-type': 'application/grpc',
    })
    expect(decodeURIComponent(refused.headers['grpc-message'] as string)).toContain('PROXY_WRITE_REFUSED')
    expect(refused.isTrailersOnly).toBe(true)
  }
  expect(reached).toBe(0)
  expect(events[0]).toMatchObject({ outcome: 'refused', servedBy: 'guard', status: '7' })
  for (const path of ['/shop.Orders/Get', '/shop.Read/Any'])
    expect((await call(client, { ':path': path, ...grpc }, 'x')).headers['grpc-status']).toBe('0')
  expect(reached).toBe(2)
})

test('gRPC: an upstream that is not there is UNAVAILABLE, a client that leaves reaches the upstream', async () => {
  const { port } = await open(1, { protocol: 'grpc' })
  const called = await call(session(port), { ':path': '/a.B/C', ...grpc }, 'x')
  expect(called.headers).toMatchObject({ 'grpc-status': '14' })
  expect(decodeURIComponent(called.headers['grpc-message'] as string)).toContain('PROXY_UPSTREAM_REFUSED')

  let isGone = false
  let isReached = false
  const server = await http2Upstream((stream) => {
    isReached = true
    stream.on('close', () => (isGone = true))
  })
  const waiting = await open(server, { protocol: 'grpc' })
  const stream = session(waiting.port).request({ ':method': 'POST', ':path': '/a.B/C', ...grpc })
  stream.on('error', () => {}) // it is cancelled on purpose
  await until(() => isReached, 'the request')
  stream.close(8)
  await until(() => isGone, 'the upstream to see it')
})

test('gRPC asked over HTTP/1 is told so', async () => {
  const { ask } = await import('./support.ts')
  const { port } = await open(1, { protocol: 'grpc' })
  expect(await ask(port)).toMatchObject({ status: 400, json: { code: 'PROXY_GRPC_ONLY' } })
})

test('HTTP/2 by prior knowledge on the same port, to an upstream of HTTP/1.1', async () => {
  const server = await httpUpstream((request, response) => {
    response.writeHead(201, [
      'X-Seen',
      JSON.stringify(request.headers),
      'Set-Cookie',
      'a=1',
      'Set-Cookie',
      'b=2',
      'Connection',
      'x-hop',
      'X-Hop',
      '1',
    ])
    response.addTrailers({ 'x-sum': '9' })
    request.pipe(response)
  })
  const { port } = await open(server)
  const client = session(port)
  const called = await call(
    client,
    { ':path': '/a?b=1', ':authority': 'billing', 'x-a': ['1', '2'], cookie: ['a=1', 'b=2'] },
    'body',
  )
  expect(called).toMatchObject({
    body: 'body',
    headers: { ':status': 201, 'set-cookie': ['a=1', 'b=2'], 'shiv-served-by': 'staging (billing)' },
  })
  expect(called.headers).not.toHaveProperty('x-hop')
  const seen = JSON.parse(called.headers['x-seen'] as string) as IncomingHttpHeaders
  expect(seen).toMatchObject({ host: `127.0.0.1:${server}`, cookie: 'a=1; b=2', 'x-a': '1, 2', 'transfer-encoding': 'chunked' })
  const many = await Promise.all(
    Array.from({ length: 50 }, (_, index) => call(client, { ':path': `/${index}`, ':authority': 'billing' })),
  )
  expect(many.every(({ headers }) => Number(headers[':status']) === 201)).toBe(true)
})

test('HTTP/2 cannot say to HTTP/1.1 what HTTP/1.1 could not', async () => {
  let reached = 0
  const server = await httpUpstream((_request, response) => {
    reached += 1
    response.end()
  })
  const { port } = await open(server)
  const client = session(port)
  for (const path of ['/a b', '/a\r\nx: y', 'a', 'http://evil.example/'])
    await call(client, { ':path': path, ':authority': 'billing' }).then(
      ({ headers }) => expect(Number(headers[':status']), path).toBeGreaterThanOrEqual(400),
      () => {}, // refused by the HTTP/2 layer itself
    )
  expect(reached).toBe(0)
})

test('what calls itself gRPC is judged as the HTTP that it is: no other method comes through an exception', async () => {
  const seen: string[] = []
  const server = await http2Upstream((stream, headers) => {
    seen.push(`${headers[':method']} ${headers[':path']}`)
    stream.respond({ ':status': 200 })
    stream.end()
  })
  const { port } = await open(
    { url: new URL(`http://127.0.0.1:${server}`) },
    { access: { level: 'read_only', allow: [{ method: 'POST', path: '/orders/*', why: 'a search' }] } },
  )
  const client = session(port)
  const disguised = { ':path': '/orders/7', ...grpc }
  const refused = [
    await call(client, { ...disguised, ':method': 'DELETE' }),
    await call(client, { ...disguised, 'x-http-method-override': 'DELETE' }, 'body'),
  ]
  for (const { headers } of refused) expect(headers['grpc-status'] ?? String(headers[':status'])).toMatch(/^(?:7|403)$/)
  expect(seen).toEqual([])
})

test('a gRPC dependency takes calls only: POST, and nothing that asks to be taken for something else', async () => {
  const seen: string[] = []
  const server = await http2Upstream((stream, headers) => {
    seen.push(String(headers[':method']))
    stream.respond({ ':status': 200, ...grpc, 'grpc-status': '0' })
    stream.end()
  })
  const { port } = await open(
    { url: new URL(`http://127.0.0.1:${server}`) },
    { protocol: 'grpc', access: { level: 'read_only', allow: [{ path: '/shop.Orders/List', why: 'it reads' }] } },
  )
  const client = session(port)
  const path = { ':path': '/shop.Orders/List', ...grpc }
  expect((await call(client, { ...path, ':method': 'DELETE' })).headers['grpc-status']).toBe('7')
  expect((await call(client, { ...path, 'x-http-method-override': 'DELETE' }, 'x')).headers['grpc-status']).toBe('7')
  await call(client, path, 'x')
  expect(seen).toEqual(['POST'])
})

test('headers that may be said once and are said twice cost nobody more than their request', async () => {
  const raw = (socket: import('node:net').Socket) =>
    socket.once('data', () =>
      socket.end(
        'HTTP/1.1 200 OK\r\nX-Content-Type-Options: nosniff\r\nX-Content-Type-Options: nosniff\r\nDNT: 1\r\nDNT: 1\r\nContent-Length: 2\r\n\r\nok',
      ),
    )
  const { port } = await open(await rawUpstream(raw))
  const called = await call(session(port), {})
  expect(called.body).toBe('ok')
  expect(called.headers['x-content-type-options']).toBe('nosniff')
})

test('every header that Node takes once only is sent once', () => {
  const names = `access-control-allow-credentials access-control-max-age access-control-request-method age authorization
    content-encoding content-language content-length content-location content-md5 content-range content-type date dnt etag
    expires from if-match if-modified-since if-none-match if-range if-unmodified-since last-modified location max-forwards
    proxy-authorization range referer retry-after tk upgrade-insecure-requests user-agent x-content-type-options`.split(/\s+/)
  for (const name of names) expect(toHttp2Headers([name, 'a', name, 'b'])[name], name).toBe('a')
})

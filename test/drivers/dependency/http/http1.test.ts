import { expect, test } from 'vitest'
import { request as httpRequest, Agent } from 'node:http'
import { connect } from 'node:net'
import { answering, ask, cleanUp, httpUpstream, open, raw, rawUpstream, until } from './support.ts'

test('passes a request and its answer, says who served, and keeps both connections', async () => {
  let connections = 0
  const server = await rawUpstream((socket) => {
    connections += 1
    answering('HTTP/1.1 200 Fine\r\nContent-Length: 5\r\nX-A: 1\r\n\r\nhello')(socket)
  })
  const { port, events } = await open(server)
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  cleanUp(() => agent.destroy())
  for (let count = 0; count < 3; count += 1) {
    const answer = await ask(port, { path: '/a?token=secret', agent })
    expect(answer).toMatchObject({ status: 200, body: 'hello', headers: { 'x-a': '1', 'shiv-served-by': 'staging (billing)' } })
  }
  expect(connections).toBe(1)
  expect(events).toHaveLength(3)
  expect(events[0]).toMatchObject({
    summary: 'GET /a?token=…',
    outcome: 'answered',
    status: '200',
    servedBy: 'upstream',
    receivedBytes: 5,
  })
})

test('keeps duplicate headers, their case and their order, both ways', async () => {
  const server = await httpUpstream((request, response) => {
    response.writeHead(200, ['Set-Cookie', 'a=1', 'X-One', '1', 'Set-Cookie', 'b=2', 'x-TWO', '2', 'X-One', '3'])
    response.end(JSON.stringify(request.rawHeaders))
  })
  const { port } = await open(server)
  const { body, rawHeaders } = await ask(port, { headers: ['Host', 'billing', 'X-b', '1', 'X-a', '2', 'X-b', '3'] })
  expect(JSON.parse(body)).toEqual(['Host', `127.0.0.1:${server}`, 'X-b', '1', 'X-a', '2', 'X-b', '3'])
  expect(rawHeaders.slice(0, 10)).toEqual(['Set-Cookie', 'a=1', 'X-One', '1', 'Set-Cookie', 'b=2', 'x-TWO', '2', 'X-One', '3'])
})

test('an upload and a download of chunks arrive whole, with trailers both ways', async () => {
  const server = await httpUpstream((request, response) => {
    response.writeHead(200, { trailer: 'x-sum' })
    request.on('data', (chunk) => response.write(chunk))
    request.on('end', () => {
      response.addTrailers({ 'x-sum': String(request.trailers['x-asked']) })
      response.end()
    })
  })
  const { port } = await open(server)
  const answer = await new Promise<{ body: string; trailers: object }>((resolve, reject) => {
    const request = httpRequest({ port, method: 'POST', headers: { trailer: 'x-asked' } }, (response) => {
      let body = ''
      response.on('data', (chunk) => (body += chunk))
      response.on('end', () => resolve({ body, trailers: response.trailers }))
    })
    request.on('error', reject)
    request.write('one ')
    setImmediate(() => {
      request.addTrailers({ 'x-asked': '42' })
      request.end('two')
    })
  })
  expect(answer).toEqual({ body: 'one two', trailers: { 'x-sum': '42' } })
})

test('pipelined requests are answered in order', async () => {
  const server = await httpUpstream((request, response) => {
    setTimeout(() => response.end(`<${request.url}>`), request.url === '/1' ? 30 : 0)
  })
  const { port } = await open(server)
  const one = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: billing\r\n\r\n`
  const text = await raw(port, one('/1') + one('/2') + one('/3').replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'))
  expect(text.match(/<.*?>/g)).toEqual(['</1>', '</2>', '</3>'])
})

test('a client that aborts is seen by the upstream', async () => {
  let isGone = false
  const server = await httpUpstream((_request, response) => {
    response.on('close', () => (isGone = true))
  })
  const { port, events } = await open(server)
  const socket = connect(port, '127.0.0.1', () => socket.write('GET / HTTP/1.1\r\nHost: billing\r\n\r\n'))
  await until(() => events.length === 0 && socket.bytesWritten > 0, 'the request')
  await new Promise((resolve) => setTimeout(resolve, 50))
  socket.destroy()
  await until(() => isGone, 'the abort')
  expect(events[0]).toMatchObject({ outcome: 'aborted' })
})

test('a half-closed client gets its answer', async () => {
  const server = await httpUpstream((_request, response) => void setTimeout(() => response.end('late'), 80))
  const { port } = await open(server)
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true }, () =>
    socket.end('GET / HTTP/1.1\r\nHost: billing\r\n\r\n'),
  )
  cleanUp(() => socket.destroy())
  let text = ''
  socket.on('data', (chunk) => (text += chunk))
  await new Promise((resolve) => socket.on('end', resolve))
  expect(text).toContain('HTTP/1.1 200')
  expect(text).toContain('late')
})

test('a WebSocket is carried, early bytes of both sides and a half-close included', async () => {
  const server = await rawUpstream((socket) => {
    let seen = ''
    socket.on('data', (chunk) => {
      if (seen === '')
        socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX-A: 1\r\n\r\nfirst;')
      seen += chunk.toString('latin1')
    })
    socket.on('end', () => socket.end(`after ${/Upgrade: websocket\r\n\r\n(.*)$/s.exec(seen)?.[1]}`))
  })
  const { port, events } = await open(server)
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true }, () =>
    socket.write('GET /live HTTP/1.1\r\nHost: billing\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nearly'),
  )
  cleanUp(() => socket.destroy())
  let text = ''
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1')
    if (text.endsWith('first;')) socket.end('bye')
  })
  await new Promise((resolve) => socket.on('end', resolve))
  expect(text).toMatch(/^HTTP\/1\.1 101 .*shiv-served-by: staging \(billing\)\r\n\r\nfirst;after earlybye$/s)
  await until(() => events.length === 1, 'the event')
  expect(events[0]).toMatchObject({ outcome: 'answered', status: '101', sentBytes: 8, receivedBytes: 20 })
})

test('an upgrade that is refused upstream is a plain answer', async () => {
  const server = await rawUpstream(answering('HTTP/1.1 400 No\r\nContent-Length: 2\r\n\r\nno'))
  const { port } = await open(server)
  const text = await raw(
    port,
    'GET /live HTTP/1.1\r\nHost: billing\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
    (text) => text.endsWith('\r\n\r\nno'),
  )
  expect(text).toContain('HTTP/1.1 400 No')
})

test('events of a stream arrive one by one, and a client that leaves is seen at once', async () => {
  let isGone = false
  let send = (_text: string): void => {}
  const server = await httpUpstream((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    send = (text) => response.write(text)
    send('data: 1\n\n')
    response.on('close', () => (isGone = true))
  })
  const { port } = await open(server)
  const socket = connect(port, '127.0.0.1', () => socket.write('GET / HTTP/1.1\r\nHost: billing\r\n\r\n'))
  let text = ''
  socket.on('data', (chunk) => (text += chunk))
  await until(() => text.includes('data: 1'), 'the first event')
  send('data: 2\n\n')
  await until(() => text.includes('data: 2'), 'the second event')
  socket.destroy()
  await until(() => isGone, 'the upstream to see it')
})

test('Expect: 100-continue goes to the upstream, and its 100 comes back before the body is sent', async () => {
  const server = await httpUpstream((request, response) => void request.pipe(response))
  const { port } = await open(server)
  const order: string[] = []
  const body = await new Promise<string>((resolve, reject) => {
    const request = httpRequest(
      { port, method: 'POST', headers: { expect: '100-continue', 'content-length': 4 } },
      (response) => {
        response.setEncoding('utf8').on('data', (text: string) => {
          order.push('answer')
          resolve(text)
        })
      },
    )
    request.on('continue', () => {
      order.push('continue')
      request.end('body')
    })
    request.on('error', reject)
    request.flushHeaders()
  })
  expect(body).toBe('body')
  expect(order).toEqual(['continue', 'answer'])
})

test('a final answer instead of 100 reaches a client that then sends no body', async () => {
  const server = await rawUpstream(answering('HTTP/1.1 417 No\r\nContent-Length: 2\r\n\r\nno'))
  const { port } = await open(server)
  const text = await raw(port, 'POST / HTTP/1.1\r\nHost: billing\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n')
  expect(text).toMatch(/^HTTP\/1\.1 417 No\r\n[^]*Connection: close\r\n\r\nno$/)
})

test('103 Early Hints come before the answer', async () => {
  const server = await rawUpstream(
    answering('HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'),
  )
  const { port } = await open(server)
  const text = await raw(port, 'GET / HTTP/1.1\r\nHost: billing\r\nConnection: close\r\n\r\n')
  expect(text).toMatch(/^HTTP\/1\.1 103 Early Hints\r\nLink: <\/a\.css>; rel=preload\r\n\r\nHTTP\/1\.1 200 OK\r\n/)
})

test('HEAD, 204 and 304 have no body, and the next request on the connection is read right', async () => {
  const server = await httpUpstream((request, response) => {
    if (request.method === 'HEAD') return response.writeHead(200, { 'content-length': 1_000 }).end()
    if (request.url === '/204') return response.writeHead(204).end()
    if (request.url === '/304') return response.writeHead(304, { 'content-length': 77, etag: '"a"' }).end()
    response.end('last')
  })
  const { port } = await open(server)
  const one = (method: string, path: string, more = ''): string => `${method} ${path} HTTP/1.1\r\nHost: billing\r\n${more}\r\n`
  const text = await raw(
    port,
    one('HEAD', '/') + one('GET', '/204') + one('GET', '/304') + one('GET', '/', 'Connection: close\r\n'),
  )
  const [head, none, same, last] = text.split(/(?=HTTP\/1\.1 )/)
  expect(head).toMatch(/^HTTP\/1\.1 200 OK\r\n[^]*Content-Length: 1000\r\n[^]*\r\n\r\n$/)
  expect(none).toMatch(/^HTTP\/1\.1 204 No Content\r\n[^]*\r\n\r\n$/)
  expect(none).not.toMatch(/content-length|transfer-encoding/i)
  expect(same).toMatch(/^HTTP\/1\.1 304 Not Modified\r\n[^]*Content-Length: 77\r\n[^]*\r\n\r\n$/)
  expect(last).toMatch(/last$/)
})

test('an absolute target is served by its path, and its authority counts', async () => {
  const server = await httpUpstream((request, response) => void response.end(`<${request.url}>`))
  const { port } = await open(server)
  const ask = (target: string): Promise<string> =>
    raw(port, `GET ${target} HTTP/1.1\r\nHost: billing\r\nConnection: close\r\n\r\n`)
  expect(await ask('http://billing/a?b=1')).toContain('</a?b=1>')
  expect(await ask('http://billing?b=1')).toContain('</?b=1>')
  expect(await ask('http://evil.example/a')).toContain('421')
  expect(await ask('http://billing@evil.example/a')).toContain('400')
})

test('listens on IPv6, and goes to an upstream that is on IPv6 only', async () => {
  const { createServer } = await import('node:http')
  const server = createServer((request, response) => void response.end(request.headers.host))
  await new Promise<void>((resolve) => server.listen(0, '::1', resolve))
  cleanUp(() => server.close())
  const { port: upstreamPort } = server.address() as { port: number }
  const { port } = await open({ url: new URL(`http://[::1]:${upstreamPort}`) })
  expect(await ask(port, { host: '::1', headers: { connection: 'close' } })).toMatchObject({
    status: 200,
    body: `[::1]:${upstreamPort}`,
  })
})

test('headers of the hop are dropped, those that Connection names too', async () => {
  const server = await httpUpstream((request, response) => {
    response.writeHead(200, {
      connection: 'x-hop',
      'x-hop': '1',
      'keep-alive': 'timeout=9',
      'x-kept': '1',
      'proxy-authenticate': 'Basic',
    })
    response.end(JSON.stringify(request.headers))
  })
  const { port } = await open(server)
  const {
    json: _,
    body,
    headers,
  } = await ask(port, {
    headers: {
      connection: 'close, X-Secret',
      'x-secret': '1',
      'proxy-authorization': 'Basic x',
      te: 'gzip',
      'x-kept': '2',
      host: 'billing',
    },
  })
  const seen = JSON.parse(body) as Record<string, string>
  expect(seen['x-kept']).toBe('2')
  for (const name of ['x-secret', 'proxy-authorization', 'te']) expect(seen, name).not.toHaveProperty(name)
  expect(headers['x-kept']).toBe('1')
  for (const name of ['x-hop', 'proxy-authenticate']) expect(headers, name).not.toHaveProperty(name)
})

test('HTTP/1.0 is answered without chunks, and the connection ends', async () => {
  const server = await httpUpstream((_request, response) => {
    response.write('one ')
    response.end('two')
  })
  const { port } = await open(server)
  const text = await raw(port, 'GET / HTTP/1.0\r\n\r\n')
  expect(text).toMatch(/^HTTP\/1\.1 200 OK\r\n[^]*Connection: close\r\n\r\none two$/)
  expect(text).not.toMatch(/chunked/)
})

test('a kept connection that the upstream closes at that moment: safe requests are asked again, others are not', async () => {
  const seen: string[] = []
  // Answers the first request of each connection, and closes the connection when a second one comes.
  const server = await rawUpstream((socket) => {
    let count = 0
    socket.on('data', (chunk) => {
      seen.push(chunk.toString('latin1').split(' ', 1)[0]!)
      count += 1
      if (count === 1) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
      else socket.destroy()
    })
  })
  const { port } = await open(server)
  expect((await ask(port)).status).toBe(200)
  expect((await ask(port)).status).toBe(200)
  expect(seen).toEqual(['GET', 'GET', 'GET'])
  const failed = await ask(port, { method: 'POST', body: 'x' })
  expect(failed).toMatchObject({ status: 502, json: { code: 'PROXY_UPSTREAM_BROKE_OFF' } })
  expect(seen.filter((method) => method === 'POST')).toHaveLength(1)
})

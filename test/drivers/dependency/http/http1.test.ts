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

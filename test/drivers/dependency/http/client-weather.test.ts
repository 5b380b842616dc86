import { Agent } from 'node:http'
import { connect, type Socket } from 'node:net'
import { expect, test } from 'vitest'
import { ask, cleanUp, httpUpstream, open, raw, until } from './support.ts'

test('aborts while it uploads and while it downloads: the upstream sees both', async () => {
  let aborted = 0
  const server = await httpUpstream((request, response) => {
    request.on('close', () => (aborted += request.complete ? 0 : 1))
    request.resume()
    if (request.method === 'GET') {
      response.on('close', () => (aborted += 1))
      const timer = setInterval(() => response.write('x'.repeat(1_000)), 5)
      response.on('close', () => clearInterval(timer))
    }
  })
  const { port, events } = await open(server)
  const up = connect(port, '127.0.0.1', () => up.write('POST / HTTP/1.1\r\nHost: billing\r\nContent-Length: 1000\r\n\r\nxxx'))
  let received = 0
  const down = connect(port, '127.0.0.1', () => down.write('GET / HTTP/1.1\r\nHost: billing\r\n\r\n'))
  down.on('data', (chunk) => (received += chunk.length))
  await until(() => received > 2_000, 'some of the download')
  up.destroy()
  down.destroy()
  await until(() => aborted === 2, 'the upstream to see both')
  await until(() => events.length === 2, 'the events')
  expect(events.map(({ outcome }) => outcome)).toEqual(['aborted', 'aborted'])
})

test('aborts while the upstream is dialled: nothing is left', async () => {
  let isGivenUp = false
  const { port, events } = await open({
    url: new URL('http://billing.test'),
    connect: (signal) =>
      new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(new Error(String((isGivenUp = true)))))),
  })
  const socket = connect(port, '127.0.0.1', () => socket.write('GET / HTTP/1.1\r\nHost: billing\r\n\r\n'))
  await new Promise((resolve) => setTimeout(resolve, 30))
  socket.destroy()
  await until(() => isGivenUp, 'the dialling to be given up')
  expect(events[0]).toMatchObject({ outcome: 'aborted' })
})

test('slowloris: a head that does not come in time is answered 408; a slow one does not hold others up', async () => {
  const server = await httpUpstream((_request, response) => void response.end('ok'))
  const { port } = await open(server, {}, { headMs: 200 })
  const slow: Promise<string>[] = []
  for (let count = 0; count < 50; count += 1) slow.push(raw(port, 'GET / HTTP/1.1\r\nHost: billing\r\nX-A: '))
  expect((await ask(port)).body).toBe('ok')
  for (const text of await Promise.all(slow)) expect(text).toMatch(/^HTTP\/1\.1 408 [^]*PROXY_HEAD_TIMEOUT/)
})

test('a head by single bytes is read, one that is too large is refused', async () => {
  const server = await httpUpstream((_request, response) => void response.end('ok'))
  const { port } = await open(server)
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  cleanUp(() => socket.destroy())
  let text = ''
  socket.on('data', (chunk) => (text += chunk))
  for (const byte of 'GET / HTTP/1.1\r\nHost: billing\r\n\r\n') {
    socket.write(byte)
    await new Promise(setImmediate)
  }
  await until(() => text.endsWith('ok'), 'the answer')
  expect(await raw(port, `GET / HTTP/1.1\r\nHost: billing\r\nX-A: ${'a'.repeat(100_000)}\r\n\r\n`)).toMatch(
    /^HTTP\/1\.1 431 [^]*PROXY_HEAD_TOO_LARGE/,
  )
  expect(await raw(port, `GET / HTTP/1.1\r\nHost: billing\r\n${'a: b\r\n'.repeat(600)}\r\n`)).toMatch(/^HTTP\/1\.1 431 /)
})

test('pipelining: many requests at once are answered in order, in bounded memory', async () => {
  const server = await httpUpstream((request, response) => void response.end(`<${request.url}>`))
  const { port } = await open(server)
  const count = 2_000
  const requests = Array.from(
    { length: count },
    (_, index) => `GET /${index} HTTP/1.1\r\nHost: billing\r\n${index === count - 1 ? 'Connection: close\r\n' : ''}\r\n`,
  )
  const text = await raw(port, requests.join(''))
  expect(text.match(/<\/\d+>/g)).toEqual(Array.from({ length: count }, (_, index) => `</${index}>`))
})

test('pipelining: uploads and a half-close after the last', async () => {
  const server = await httpUpstream((request, response) => void request.pipe(response))
  const { port } = await open(server)
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true }, () =>
    socket.end(
      'POST / HTTP/1.1\r\nHost: billing\r\nContent-Length: 3\r\n\r\n<a>POST / HTTP/1.1\r\nHost: billing\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n<b>\r\n0\r\n\r\n',
    ),
  )
  cleanUp(() => socket.destroy())
  let text = ''
  socket.on('data', (chunk) => (text += chunk))
  await new Promise((resolve) => socket.on('end', resolve))
  expect(text.match(/<.>/g)).toEqual(['<a>', '<b>'])
})

test('2,500 connections at once are served, and a request on each', { timeout: 120_000 }, async () => {
  const server = await httpUpstream((_request, response) => void response.end('ok'))
  // The upstream's own queue of connections is short, so some wait long for theirs.
  const { port } = await open(server, { rules: { timeouts: { connectMs: 90_000 } } })
  const sockets: Socket[] = []
  cleanUp(() => {
    for (const socket of sockets) socket.destroy()
  })
  const texts: string[] = []
  for (let begun = 0; begun < 2_500; begun += 250)
    await Promise.all(
      Array.from(
        { length: 250 },
        () =>
          new Promise<void>((resolve, reject) => {
            const socket = connect(port, '127.0.0.1', resolve)
            sockets.push(socket)
            socket.on('error', reject)
            socket.on('data', (chunk) => texts.push(chunk.toString()))
          }),
      ),
    )
  for (const socket of sockets) socket.write('GET / HTTP/1.1\r\nHost: billing\r\n\r\n')
  await until(() => texts.length === 2_500, 'all answers')
  expect(texts.filter((text) => !text.startsWith('HTTP/1.1 200')).slice(0, 3)).toEqual([])
})

test('closing ends what is open, and the port is free again', async () => {
  const server = await httpUpstream((_request, response) => void response.write('never ends'))
  const { port, dependency } = await open(server)
  const agent = new Agent({ keepAlive: true })
  cleanUp(() => agent.destroy())
  const waiting = ask(port, { agent })
  waiting.catch(() => {}) // looked at below
  await until(() => dependency.health().openConnections === 1, 'the connection')
  await dependency.close()
  await expect(waiting).rejects.toThrow()
  const again = await open(server, {}, { port })
  expect(again.port).toBe(port)
})

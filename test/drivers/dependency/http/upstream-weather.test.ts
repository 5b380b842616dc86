import { createServer as createHttpsServer, type ServerOptions } from 'node:https'
import { connect, type LookupFunction } from 'node:net'
import { expect, test } from 'vitest'
import { createAuthority, selfSigned } from '../../../support/authority.ts'
import { answering, ask, cleanUp, httpUpstream, listen, newFolder, open, raw, rawUpstream, until } from './support.ts'

/** The name resolves to this machine, until it is taken away. */
function fakeDns(): { lookup: LookupFunction; isGone: boolean } {
  const dns = {
    isGone: false,
    lookup: ((host, options, done) => {
      if (dns.isGone) return done(Object.assign(new Error(`getaddrinfo ENOTFOUND ${host}`), { code: 'ENOTFOUND' }), '', 4)
      if (options.all) return (done as (error: null, addresses: object[]) => void)(null, [{ address: '127.0.0.1', family: 4 }])
      done(null, '127.0.0.1', 4)
    }) as LookupFunction,
  }
  return dns
}

async function httpsUpstream(options: ServerOptions): Promise<number> {
  const server = createHttpsServer(
    options,
    (request, response) => void response.end(`${request.headers.host} ${(request.socket as { servername?: string }).servername}`),
  )
  server.on('tlsClientError', () => {}) // what the tests are about
  cleanUp(() => server.close())
  cleanUp(() => server.closeAllConnections())
  return listen(server)
}

test('refuses: 502 that names it', async () => {
  const { port, dependency, events } = await open(1)
  const { status, json, headers } = await ask(port, { path: '/a?b=c' })
  expect({ status, type: headers['content-type'], by: headers['shiv-served-by'] }).toEqual({
    status: 502,
    type: 'application/problem+json',
    by: 'nobody',
  })
  expect(json).toMatchObject({ code: 'PROXY_UPSTREAM_REFUSED', dependency: 'billing' })
  expect(json.cause).toContain('ECONNREFUSED')
  expect(json.hint).toContain('curl -sv http://127.0.0.1:1/')
  expect(events[0]).toMatchObject({ outcome: 'failed', servedBy: 'nobody', status: '502' })
  expect(dependency.health()).toMatchObject({ state: 'failing', requests: 1, failed: 1 })
})

test('hangs in connect: 504', async () => {
  const { port } = await open(
    { url: new URL('http://billing.test'), connect: () => new Promise(() => {}) },
    { rules: { timeouts: { connectMs: 100 } } },
  )
  expect(await ask(port)).toMatchObject({ status: 504, json: { code: 'PROXY_CONNECT_TIMEOUT' } })
})

test('hangs in the TLS handshake: 504', async () => {
  const server = await rawUpstream(() => {})
  const { port } = await open({ url: new URL(`https://localhost:${server}`) }, { rules: { timeouts: { connectMs: 150 } } })
  expect(await ask(port)).toMatchObject({ status: 504, json: { code: 'PROXY_CONNECT_TIMEOUT' } })
})

test('hangs in headers: 504, and the connection to it is closed', async () => {
  let isClosed = false
  const server = await rawUpstream((socket) => {
    socket.resume()
    socket.on('close', () => (isClosed = true))
    socket.on('end', () => socket.end())
  })
  const { port } = await open(server, { rules: { timeouts: { headersMs: 100 } } })
  expect(await ask(port)).toMatchObject({ status: 504, json: { code: 'PROXY_HEADERS_TIMEOUT' } })
  await until(() => isClosed, 'the connection to be closed')
})

test('hangs in headers for all its time: the total counts too', async () => {
  const server = await rawUpstream((socket) => socket.resume())
  const { port } = await open(server, { rules: { timeouts: { totalMs: 100 } } })
  expect(await ask(port)).toMatchObject({ status: 504, json: { code: 'PROXY_TOTAL_TIMEOUT' } })
})

test('hangs mid-body: the answer breaks off, and does not look whole', async () => {
  const server = await rawUpstream(answering('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf'))
  const { port, events } = await open(server, { rules: { timeouts: { idleMs: 100 } } })
  await expect(ask(port)).rejects.toThrow(/aborted|hang up|reset/)
  expect(events[0]).toMatchObject({ outcome: 'failed', status: '200', receivedBytes: 4 })
  expect(events[0]?.cause).toContain('PROXY_IDLE_TIMEOUT')
})

test('hangs mid-upload: 504', async () => {
  const server = await rawUpstream((socket) => socket.pause())
  const { port } = await open(server, { rules: { timeouts: { idleMs: 200 } } })
  const socket = connect(port, '127.0.0.1')
  cleanUp(() => socket.destroy())
  let text = ''
  socket.on('error', () => socket.destroy())
  socket.on('data', (chunk) => (text += chunk))
  socket.write(`POST / HTTP/1.1\r\nHost: billing\r\nContent-Length: 1000000000\r\n\r\n`)
  const chunk = Buffer.alloc(1_000_000)
  const more = (): unknown => !socket.destroyed && (socket.write(chunk) ? setImmediate(more) : socket.once('drain', more))
  more()
  await until(() => text.includes('PROXY_IDLE_TIMEOUT'), 'the 504')
  expect(text).toMatch(/^HTTP\/1\.1 504 /)
})

test('resets before the answer: 502', async () => {
  const server = await rawUpstream((socket) => socket.on('data', () => socket.resetAndDestroy()))
  const { port } = await open(server)
  expect(await ask(port)).toMatchObject({ status: 502, json: { code: 'PROXY_UPSTREAM_BROKE_OFF' } })
})

test('closes idle connections: nobody notices', async () => {
  let connections = 0
  const server = await rawUpstream((socket) => {
    connections += 1
    answering('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')(socket)
    socket.on('data', () => setTimeout(() => socket.end(), 20))
  })
  const { port, dependency } = await open(server)
  for (let count = 0; count < 3; count += 1) {
    expect((await ask(port, { method: 'POST', body: 'x' })).status).toBe(200)
    await until(() => dependency.health().openConnections === 0, 'the idle connection to go')
  }
  expect(connections).toBe(3)
})

test('keeps no connection that the upstream says is the last', async () => {
  let connections = 0
  const server = await rawUpstream((socket) => {
    connections += 1
    answering('HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok')(socket)
  })
  const { port } = await open(server)
  for (let count = 0; count < 2; count += 1) expect((await ask(port, { method: 'POST', body: 'x' })).body).toBe('ok')
  expect(connections).toBe(2)
})

test('says more bytes than it sends: the answer breaks off', async () => {
  const server = await rawUpstream((socket) =>
    answering((same) => same.end('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf'))(socket),
  )
  const { port } = await open(server)
  await expect(ask(port)).rejects.toThrow(/aborted|hang up|reset/)
})

test('sends more bytes than it says: they reach nobody, neither as a body nor as the next answer', async () => {
  const server = await rawUpstream(
    answering('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil'),
  )
  const { port } = await open(server)
  for (let count = 0; count < 3; count += 1) expect((await ask(port)).body).toBe('ok')
})

test('ends a chunked answer in the middle: it breaks off', async () => {
  const server = await rawUpstream(
    answering((socket) => socket.end('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n')),
  )
  const { port } = await open(server)
  await expect(ask(port)).rejects.toThrow(/aborted|hang up|reset/)
})

test('sends 10,000 headers, or 100 MB of them: 502, in little memory', async () => {
  const many = await rawUpstream(answering(`HTTP/1.1 200 OK\r\n${'a: b\r\n'.repeat(10_000)}\r\n`))
  expect(await ask((await open(many)).port)).toMatchObject({ status: 502, json: { code: 'PROXY_UPSTREAM_INVALID' } })
  let written = 0
  let isClosed = false
  const huge = await rawUpstream((socket) => {
    socket.on('close', () => (isClosed = true))
    socket.on('data', () => {
      socket.write('HTTP/1.1 200 OK\r\nX-A: ')
      const chunk = 'a'.repeat(1_000_000)
      const more = (): unknown => {
        if (socket.destroyed || written >= 100) return undefined
        written += 1
        return socket.write(chunk) ? setImmediate(more) : socket.once('drain', more)
      }
      more()
    })
  })
  expect(await ask((await open(huge)).port)).toMatchObject({ status: 502, json: { code: 'PROXY_UPSTREAM_INVALID' } })
  await until(() => isClosed, 'the connection to be closed')
  expect(written).toBeLessThan(20)
})

test('as many and as large headers as are usual pass', async () => {
  const server = await rawUpstream(
    answering(`HTTP/1.1 200 OK\r\n${'a: b\r\n'.repeat(1_000)}X: ${'x'.repeat(100_000)}\r\nContent-Length: 2\r\n\r\nok`),
  )
  expect((await ask((await open(server)).port)).body).toBe('ok')
})

test('DNS is gone and comes back', async () => {
  const server = await httpUpstream((_request, response) => void response.writeHead(200, { connection: 'close' }).end('ok'))
  const dns = fakeDns()
  dns.isGone = true
  const { port } = await open({ url: new URL(`http://billing.test:${server}`) }, {}, { lookup: dns.lookup })
  const gone = await ask(port)
  expect(gone).toMatchObject({ status: 502, json: { code: 'PROXY_UPSTREAM_DNS' } })
  expect(gone.json.hint).toContain('getent hosts billing.test')
  dns.isGone = false
  expect((await ask(port)).body).toBe('ok')
  dns.isGone = true
  expect((await ask(port)).status).toBe(502)
})

test('TLS: the right certificate passes, with SNI and Host of the URL; by a tunnel too; TLS 1.2 is enough', async () => {
  const authority = createAuthority(newFolder())
  const server = await httpsUpstream({ ...authority.issue('billing.test'), maxVersion: 'TLSv1.2' })
  const { lookup } = fakeDns()
  const url = new URL(`https://billing.test:${server}`)
  const { port } = await open({ url, ca: authority.ca }, {}, { lookup })
  expect((await ask(port)).body).toBe(`billing.test:${server} billing.test`)
  const tunnel = await open({
    url: new URL('https://ledger.payments'),
    ca: authority.ca,
    servername: 'billing.test',
    connect: async () => connect(server, '127.0.0.1'),
  })
  expect((await ask(tunnel.port)).body).toBe('ledger.payments billing.test')
})

test.each([
  ['expired', 'PROXY_TLS_EXPIRED', /expired/],
  ['for another host', 'PROXY_TLS_WRONG_HOST', /other\.test/],
] as const)('TLS: a certificate that is %s', async (what, code, cause) => {
  const authority = createAuthority(newFolder())
  const server = await httpsUpstream(what === 'expired' ? authority.issueExpired('billing.test') : authority.issue('other.test'))
  const { port } = await open(
    { url: new URL(`https://billing.test:${server}`), ca: authority.ca },
    {},
    { lookup: fakeDns().lookup },
  )
  const { status, json } = await ask(port)
  expect({ status, code: json.code }).toEqual({ status: 502, code })
  expect(json.cause).toMatch(cause)
  expect(json.hint).toContain(`openssl s_client -connect billing.test:${server}`)
})

test('TLS: a self-signed certificate, one of an unknown authority, and no TLS at all', async () => {
  const own = await httpsUpstream(selfSigned(newFolder(), 'billing.test'))
  const unknown = await httpsUpstream(createAuthority(newFolder()).issue('billing.test'))
  const none = await httpUpstream((_request, response) => void response.end())
  const codes = []
  for (const server of [own, unknown, none]) {
    const { port } = await open({ url: new URL(`https://billing.test:${server}`) }, {}, { lookup: fakeDns().lookup })
    codes.push((await ask(port)).json.code)
  }
  expect(codes).toEqual(['PROXY_TLS_UNTRUSTED', 'PROXY_TLS_UNTRUSTED', 'PROXY_TLS_FAILED'])
})

test('a slow reader and a slow writer keep memory flat, and hold the other side', async () => {
  let written = 0
  const chunk = Buffer.alloc(262_144)
  const server = await httpUpstream((request, response) => {
    if (request.method === 'POST') return void request.once('data', () => request.pause())
    const more = (): unknown => {
      written += chunk.length
      return response.write(chunk) ? setImmediate(more) : response.once('drain', more)
    }
    more()
  })
  const { port, events } = await open(server)
  const reader = connect(port, '127.0.0.1', () => reader.write('GET / HTTP/1.1\r\nHost: billing\r\n\r\n'))
  reader.once('readable', () => {}) // takes nothing beyond its buffer
  cleanUp(() => reader.destroy())
  const writer = connect(port, '127.0.0.1')
  writer.write('POST / HTTP/1.1\r\nHost: billing\r\nTransfer-Encoding: chunked\r\n\r\n')
  writer.on('error', () => writer.destroy()) // the end of the test
  cleanUp(() => writer.destroy())
  let sent = 0
  const more = (): unknown => {
    sent += chunk.length
    return writer.write(Buffer.concat([Buffer.from('40000\r\n'), chunk, Buffer.from('\r\n')]))
      ? setImmediate(more)
      : writer.once('drain', more)
  }
  more()
  // The kernel's own buffers hold some ten megabytes a socket, ours a quarter of one. Both have come to a stand when nothing was added for a while.
  let before = -1
  for (let same = 0; same < 20;) {
    await new Promise((resolve) => setTimeout(resolve, 20))
    same = written + sent === before ? same + 1 : 0
    before = written + sent
  }
  expect(events, 'both are under way').toEqual([])
  expect(written, 'what the upstream could write before it was held').toBeLessThan(100_000_000)
  expect(sent, 'what the client could write before it was held').toBeLessThan(100_000_000)
})

test('an answer before the end of the upload ends the upload', async () => {
  const server = await rawUpstream((socket) => {
    let isAnswered = false
    socket.on('data', () => {
      if (!isAnswered) socket.write('HTTP/1.1 413 Too Large\r\nContent-Length: 5\r\n\r\nlarge')
      isAnswered = true
    })
  })
  const { port } = await open(server)
  const text = await raw(
    port,
    `POST / HTTP/1.1\r\nHost: billing\r\nContent-Length: 100000000\r\n\r\n${'x'.repeat(1_000_000)}`,
    (text) => text.endsWith('large'),
  )
  expect(text).toMatch(/^HTTP\/1\.1 413 /)
})

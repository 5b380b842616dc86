import { connect as connectHttp2 } from 'node:http2'
import { request } from 'node:https'
import { connect as connectTcp } from 'node:net'
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls'
import { expect, test } from 'vitest'
import { openAuthority } from '../../../../src/drivers/dependency/authority/open-authority.ts'
import type { Authority, DependencySetting } from '../../../../src/engine/dependency-ports.ts'
import { cleanUp, httpUpstream, newFolder, open, raw, until } from './support.ts'

const NAME = 'billing.example.com'
const KNOWN: Partial<DependencySetting> = { hosts: [NAME], certifiedNames: [NAME, 'billing', '127.0.0.1'] }

async function authorityOf(): Promise<Authority> {
  return openAuthority(newFolder(), { environment: {} })
}

/** A dependency that answers with what reached the upstream, to services that speak TLS too. */
async function opened(changes: Partial<DependencySetting> = {}, authority?: Authority) {
  const upstream = await httpUpstream((incoming, response) => {
    let body = ''
    incoming.on('data', (part: Buffer) => (body += part.toString()))
    incoming.on('end', () => response.end(JSON.stringify({ path: incoming.url, method: incoming.method, body })))
  })
  const own = authority ?? (await authorityOf())
  return { authority: own, ...(await open(upstream, { ...KNOWN, ...changes }, { authority: own })) }
}

async function handshake(port: number, options: ConnectionOptions): Promise<TLSSocket> {
  const socket = connect({ port, host: '127.0.0.1', servername: NAME, ...options })
  cleanUp(() => socket.destroy())
  await new Promise<void>((resolve, reject) => void socket.once('secureConnect', resolve).once('error', reject))
  return socket
}

interface Answer {
  status: number | undefined
  servedBy: unknown
  location: string | undefined
  body: string
}

function ask(port: number, ca: string, path: string, method = 'GET', body?: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const options = {
      host: '127.0.0.1',
      port,
      path,
      method,
      ca,
      servername: NAME,
      headers: { host: NAME },
      agent: false as const,
    }
    const call = request(options, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (part: string) => (text += part))
      const { location, 'shiv-served-by': servedBy } = response.headers
      response.on('end', () => resolve({ status: response.statusCode, servedBy, location, body: text }))
    })
    call.on('error', reject).end(body)
  })
}

test('a service that trusts the authority is answered under production’s name, by HTTP/1.1', async () => {
  const { port, authority } = await opened()
  const answer = await ask(port, authority.certificate, '/invoices', 'POST', 'x'.repeat(200_000))
  expect(answer.status, answer.body).toBe(200)
  expect(answer.servedBy).toMatch(/^staging/)
  expect(JSON.parse(answer.body)).toEqual({ path: '/invoices', method: 'POST', body: 'x'.repeat(200_000) })
})

test('what was chosen by ALPN is spoken: HTTP/2', async () => {
  const { port, authority } = await opened()
  const socket = await handshake(port, { ca: authority.certificate, ALPNProtocols: ['h2', 'http/1.1'] })
  expect(socket.alpnProtocol).toBe('h2')
  const session = connectHttp2(`https://${NAME}`, { createConnection: () => socket })
  cleanUp(() => session.destroy())
  const paths = ['/one', '/two', '/three']
  const bodies = await Promise.all(
    paths.map(async (path) => {
      const stream = session.request({ ':path': path })
      let text = ''
      for await (const part of stream.setEncoding('utf8')) text += String(part)
      return (JSON.parse(text) as { path: string }).path
    }),
  )
  expect(bodies).toEqual(paths)
  expect((await handshake(port, { ca: authority.certificate, ALPNProtocols: ['http/1.1'] })).alpnProtocol).toBe('http/1.1')
})

test('plain HTTP goes on at the same port', async () => {
  const { port, authority } = await opened()
  expect((await fetch(`http://127.0.0.1:${port}/plain`)).status).toBe(200)
  expect((await ask(port, authority.certificate, '/secure')).status).toBe(200)
})

test('the guard holds inside of TLS', async () => {
  const { port, authority, events } = await opened({ access: { level: 'read_only', allow: [] } })
  expect(await ask(port, authority.certificate, '/invoices', 'POST', 'one more')).toMatchObject({ status: 403 })
  expect(events).toMatchObject([{ outcome: 'refused', servedBy: 'guard' }])
})

test('redirects stay under the name and the scheme that were called', async () => {
  const upstream = await httpUpstream((_, response) => response.writeHead(302, { location: '/elsewhere' }).end())
  const authority = await authorityOf()
  const absolute = await httpUpstream((incoming, response) =>
    response.writeHead(302, { location: `http://${incoming.headers.host}/elsewhere` }).end(),
  )
  for (const [at, location] of [
    [upstream, '/elsewhere'],
    [absolute, `https://${NAME}/elsewhere`],
  ] as const) {
    const { port } = await open(at, KNOWN, { authority })
    expect((await ask(port, authority.certificate, '/')).location).toBe(location)
  }
})

test('who does not trust the authority ends the handshake, and nothing is asked', async () => {
  const { port, events } = await opened()
  const stranger = await authorityOf()
  for (const ca of [undefined, stranger.certificate])
    await expect(handshake(port, { ca })).rejects.toThrow(/self-signed certificate|unable to (get|verify)/)
  expect(events).toEqual([])
})

test('no certificate is made for a name that is not the dependency’s', async () => {
  const { port, authority } = await opened()
  await expect(handshake(port, { ca: authority.certificate, servername: 'bank.example.com' })).rejects.toMatchObject({
    code: 'ERR_TLS_CERT_ALTNAME_INVALID',
  })
})

test('a certificate that nears its end is renewed while it runs, and what is connected stays', async () => {
  const real = await authorityOf()
  let issued = 0
  const aging: Authority = {
    ...real,
    issue(names) {
      issued += 1
      return { ...real.issue(names), ...(issued === 1 && { endsAt: Date.now() + 60_000 }) }
    },
  }
  const { port } = await opened({}, aging)
  const first = await handshake(port, { ca: real.certificate })
  const second = await handshake(port, { ca: real.certificate })
  const third = await handshake(port, { ca: real.certificate })
  const number = (socket: TLSSocket) => socket.getPeerCertificate().serialNumber
  expect(number(second)).not.toBe(number(first))
  expect(number(third)).toBe(number(second))
  expect(issued).toBe(2)
  for (const socket of [first, second]) {
    let text = ''
    socket.on('data', (part: Buffer) => (text += part.toString()))
    socket.write(`GET /still HTTP/1.1\r\nHost: ${NAME}\r\n\r\n`)
    await until(() => text.includes('"/still"'), 'an answer on a connection of before')
  }
})

test('a further name is certified as soon as the setting has it', async () => {
  const { port, authority, set } = await opened()
  const also = 'billing.payments.svc'
  await expect(handshake(port, { ca: authority.certificate, servername: also })).rejects.toThrow(/altnames/)
  set({ certifiedNames: [NAME, also] })
  await handshake(port, { ca: authority.certificate, servername: also })
})

test('what only begins like TLS is closed, and costs nobody else anything', async () => {
  const { port, authority } = await opened()
  const socket = connectTcp({ port, host: '127.0.0.1' })
  cleanUp(() => socket.destroy())
  const closed = new Promise((resolve) => socket.on('error', () => {}).once('close', resolve))
  socket.resume().write(Buffer.concat([Buffer.of(0x16, 0x03, 0x01, 0x00, 0x05), Buffer.from('nope!'.repeat(9))]))
  await closed
  expect((await ask(port, authority.certificate, '/after')).status).toBe(200)
})

test('where production speaks no TLS, none is spoken', async () => {
  const upstream = await httpUpstream((_, response) => response.end('ok'))
  const { port } = await open(upstream, KNOWN)
  await expect(handshake(port, {})).rejects.toThrow()
  expect(await raw(port, 'GET / HTTP/1.1\r\nHost: billing\r\nConnection: close\r\n\r\n')).toContain('200 OK')
})

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { matchesPattern, plainParts } from '../../../../src/drivers/dependency/http/plain-path.ts'
import { answering, ask, open, raw, rawUpstream } from './support.ts'
import type { Access } from '../../../../src/plan/remote.ts'

const access: Access = {
  level: 'read_only',
  allow: [
    { method: 'POST', path: '/searches', why: 'reads by POST' },
    { method: 'POST', path: '/carts/*/quotes', why: 'computes only' },
    { method: 'PUT', path: '/drafts/**', why: 'ours alone' },
    { method: 'WEBSOCKET', path: '/live', why: 'listens only' },
  ],
}

/** An upstream that counts connections, for nothing refused is ever dialled. */
async function guarded(changes: object = {}): Promise<{ port: number; connections(): number; events: object[] }> {
  let connections = 0
  const server = await rawUpstream((socket) => {
    connections += 1
    answering('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')(socket)
  })
  const { port, events } = await open(server, { access, ...changes })
  return { port, connections: () => connections, events }
}

const request = (line: string, more = ''): string => `${line} HTTP/1.1\r\nHost: billing\r\nConnection: close\r\n${more}\r\n`

test('a write is refused before anything is dialled, and the answer says why and what would allow it', async () => {
  const { port, connections, events } = await guarded()
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'TRACE', 'PROPFIND', 'MKCOL', 'PURGE'])
    expect((await ask(port, { method, path: '/invoices/7' })).status, method).toBe(403)
  const { headers, json } = await ask(port, { method: 'POST', path: '/invoices/7?a=secret', body: 'x' })
  expect(headers).toMatchObject({ 'content-type': 'application/problem+json', 'shiv-served-by': 'guard' })
  expect(json).toMatchObject({ status: 403, code: 'PROXY_WRITE_REFUSED', dependency: 'billing' })
  expect(json.allow).toContain('{ method: POST, path: "/invoices/7", why: say why }')
  expect(connections()).toBe(0)
  expect(events.at(-1)).toMatchObject({ outcome: 'refused', servedBy: 'guard', status: '403', summary: 'POST /invoices/7?a=…' })
})

test('what is safe passes, and so does what is allowed', async () => {
  const { port } = await guarded()
  for (const [method, path] of [
    ['GET', '/a'],
    ['HEAD', '/a'],
    ['OPTIONS', '/a'],
    ['POST', '/searches?q=1'],
    ['POST', '/carts/9/quotes'],
    ['PUT', '/drafts'],
    ['PUT', '/drafts/a/b'],
    ['PUT', '/drafts/a/'],
    ['POST', '/%73earches'],
  ])
    expect((await ask(port, { method, path })).status, `${method} ${path}`).toBe(200)
})

const tricks = [
  'POST /invoices',
  'POST /searches/',
  'POST /searches/../invoices',
  'POST /searches/%2e%2e/invoices',
  'POST /searches/.%2E/invoices',
  'POST /./searches',
  'POST //searches',
  'POST /searches//',
  'POST /carts//quotes',
  'POST /carts/%2e%2e/quotes',
  'POST /carts/a%2fb/quotes',
  'POST /carts/a%2Fb/quotes',
  'POST /carts/a%5cb/quotes',
  'POST /carts/a\\b/quotes',
  'POST /carts/a;x=/../y/quotes',
  'POST /carts/a;b/quotes',
  'POST /carts/a%3bb/quotes',
  'POST /carts/%252e%252e/quotes',
  'POST /carts/a%00/quotes',
  'POST /carts/a%0d%0a/quotes',
  'POST /carts/%c0%ae%c0%ae/quotes',
  'POST /carts/%ff/quotes',
  'POST /carts/%zz/quotes',
  'POST /carts/%/quotes',
  'POST /carts/../quotes',
  'POST /carts/.../quotes',
  'POST /carts/a./quotes',
  'POST /carts/a%20/quotes',
  'POST /carts/%EF%BC%8E%EF%BC%8E/quotes',
  'POST /carts/a%3Fb/quotes',
  'POST /carts/a%23b/quotes',
  'POST /carts/*/quotes',
  'POST /carts/9/quotes/x',
  'PUT /drafts/../invoices',
  'PUT /drafts/a/%2e%2e/%2e%2e/invoices',
  'PUT /draftsx',
  'PUT /searches',
  'POST http://billing/invoices',
  'POST http://billing/searches/../invoices',
  'POST http://billing//searches',
  'DELETE /searches',
  'POST /Searches',
]

test.each(tricks)('%s does not slip through an exception', async (line) => {
  const { port, connections } = await guarded()
  expect(await raw(port, request(line, 'Content-Length: 0\r\n'))).toMatch(/^HTTP\/1\.1 403 /)
  expect(connections()).toBe(0)
})

test.each([
  ['GET /a', 'X-HTTP-Method-Override: DELETE\r\n'],
  ['GET /a', 'x-http-method: PUT\r\n'],
  ['GET /a', 'X-Method-Override: post\r\n'],
  ['GET /a', 'X_HTTP_Method_Override: DELETE\r\n'],
  ['GET /a?_method=DELETE', ''],
  ['GET /a?x=1&%5fmethod=delete', ''],
  ['HEAD /a', 'X-HTTP-Method-Override: PATCH\r\n'],
  ['POST /searches', 'X-HTTP-Method-Override: DELETE\r\n'],
  ['POST /searches?_method=DELETE', ''],
  ['POST /searches', 'X-Original-URL: /invoices\r\n'],
  ['POST /searches', 'X-Rewrite-URL: /invoices\r\n'],
])('%s with %s does not change what is asked', async (line, header) => {
  const { port, connections } = await guarded()
  const text = await raw(port, request(line, `${header}Content-Length: 0\r\n`))
  expect(text).toMatch(/^HTTP\/1\.1 403 /)
  if (!line.startsWith('HEAD')) expect(text).toContain('PROXY_OVERRIDE_REFUSED')
  expect(connections()).toBe(0)
})

test('a WebSocket is refused unless it is allowed', async () => {
  const { port, connections } = await guarded()
  const upgrade = (path: string): Promise<string> =>
    raw(
      port,
      `GET ${path} HTTP/1.1\r\nHost: billing\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`,
      (text) => text.endsWith('\r\n\r\nok') || text.includes('}'),
    )
  expect(await upgrade('/other')).toMatch(/^HTTP\/1\.1 403 [^]*method: WEBSOCKET/)
  expect(connections()).toBe(0)
  expect(await upgrade('/live')).toMatch(/^HTTP\/1\.1 200 /)
})

test('a refused upload is refused before its body, and 100 is never said', async () => {
  const { port, connections } = await guarded()
  const text = await raw(port, 'POST /a HTTP/1.1\r\nHost: billing\r\nExpect: 100-continue\r\nContent-Length: 1000000\r\n\r\n')
  expect(text).toMatch(/^HTTP\/1\.1 403 [^]*Connection: close/)
  expect(connections()).toBe(0)
})

test('the guard is of staging and record; local, replay and read_write are not guarded by it', async () => {
  const { port } = await guarded({ mode: 'local' })
  expect(await ask(port, { method: 'DELETE', path: '/a' })).toMatchObject({ status: 200, headers: { 'shiv-served-by': 'local' } })
  const open = await guarded({ access: { level: 'read_write', allow: [] } })
  expect((await ask(open.port, { method: 'DELETE', path: '/a' })).status).toBe(200)
  const record = await guarded({ mode: 'record' })
  expect((await ask(record.port, { method: 'DELETE', path: '/a' })).status).toBe(403)
})

test('fuzz: a path that an exception covers is one that a normalising server reads alike', () => {
  const bit = fc.constantFrom(
    'a',
    'drafts',
    '.',
    '..',
    '/',
    '//',
    '%2e',
    '%2F',
    '%5c',
    '\\',
    ';',
    '%3b',
    '%25',
    '%',
    'é',
    '?',
    '#',
    '%c3%a9',
    '%EF%BC%8F',
    ' ',
    '%20',
    '%09',
  )
  fc.assert(
    fc.property(fc.array(bit, { maxLength: 8 }), (bits) => {
      const path = `/drafts/${bits.join('')}`
      const parts = plainParts(path)
      if (parts === undefined || !matchesPattern(parts, '/drafts/**')) return
      const normal = new URL(path, 'http://a').pathname
      expect(decodeURIComponent(normal)).toBe(`/${parts.join('/')}`)
      expect(normal.startsWith('/drafts/')).toBe(true)
    }),
    { numRuns: 5_000 },
  )
})

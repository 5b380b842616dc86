import { execa } from 'execa'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, request as httpRequest, type IncomingHttpHeaders, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib'
import { chromium } from 'playwright-core'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createFrontDoor } from '../../../src/drivers/proxy/front-door.ts'
import type { FrontDoor } from '../../../src/engine/ports.ts'

const HOST = 'shop.work'
const PAGE = '<!doctype html><title>shop</title><h1>Überraschung</h1>'
let home: string
let door: FrontDoor
let server: Server | undefined

beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'shiv-pages-'))
  door = await createFrontDoor({ home })
})
afterEach(async () => {
  await door.close()
  server?.closeAllConnections()
  server?.close()
  rmSync(home, { recursive: true, force: true })
})

async function serve(listener: RequestListener, browser = true): Promise<string> {
  server = createServer(listener)
  await new Promise<void>((resolve) => server!.listen(0, '127.0.0.1', resolve))
  const endpoints = [{ host: '127.0.0.1', port: (server.address() as AddressInfo).port }]
  return (await door.route({ host: HOST, workspace: 'work', service: 'shop', endpoints, browser })).url
}

const html = (headers: Record<string, string> = {}, body: string | Buffer = PAGE): RequestListener => {
  return (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'content-length': Buffer.byteLength(body), ...headers })
    response.end(body)
  }
}

function ask(
  options: { path?: string; method?: string; headers?: Record<string, string> } = {},
): Promise<{ status: number; headers: IncomingHttpHeaders; body: string }> {
  return new Promise((resolve, reject) => {
    const headers = { host: 'shop.localhost', accept: 'text/html,*/*', ...options.headers }
    httpRequest(
      { host: '127.0.0.1', port: door.port, path: options.path ?? '/', method: options.method ?? 'GET', headers },
      (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('error', reject)
        response.on('end', () =>
          resolve({ status: response.statusCode!, headers: response.headers, body: Buffer.concat(chunks).toString() }),
        )
      },
    )
      .on('error', reject)
      .end()
  })
}

const TAG = '<script src="/.shiv/reload.js" data-sequence=""></script>'

test('a page carries the script at its end, with its new length, and is kept by no cache', async () => {
  await serve(html({ etag: '"1"', 'last-modified': 'Thu, 01 Jan 1970 00:00:00 GMT', 'cache-control': 'max-age=60' }))
  const { headers, body } = await ask()
  expect(body).toBe(PAGE + TAG)
  expect(Number(headers['content-length'])).toBe(Buffer.byteLength(PAGE + TAG))
  expect(headers).toMatchObject({ 'cache-control': 'no-store', 'shiv-reload': 'on' })
  expect(headers).not.toHaveProperty('etag')
  expect(headers).not.toHaveProperty('last-modified')
})

test.each([
  ['gzip', gzipSync],
  ['deflate', deflateSync],
  ['br', brotliCompressSync],
])('a page compressed by %s too', async (encoding, compress) => {
  await serve(html({ 'content-encoding': encoding }, compress(PAGE)))
  const { headers, body } = await ask({ headers: { 'accept-encoding': encoding } })
  expect(body).toBe(PAGE + TAG)
  expect(headers).not.toHaveProperty('content-encoding')
})

test('a page that comes in pieces is streamed on', async () => {
  let finish = (): void => {}
  await serve((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/html' })
    response.write('<h1>first</h1>')
    finish = () => response.end('<p>last</p>')
  })
  const body = await new Promise<string>((resolve, reject) => {
    let text = ''
    httpRequest(
      { host: '127.0.0.1', port: door.port, headers: { host: 'shop.localhost', 'sec-fetch-dest': 'document' } },
      (response) => {
        response.on('data', (chunk: Buffer) => {
          text += chunk.toString()
          if (text === '<h1>first</h1>') finish()
        })
        response.on('end', () => resolve(text))
      },
    )
      .on('error', reject)
      .end()
  })
  expect(body).toBe(`<h1>first</h1><p>last</p>${TAG}`)
})

test.each<[string, RequestListener, Parameters<typeof ask>[0]]>([
  ['JSON', (_request, response) => response.setHeader('content-type', 'application/json').end(PAGE), {}],
  ['a fragment that a script fetches', html(), { headers: { 'sec-fetch-dest': 'empty' } }],
  ['what asks for no page', html(), { headers: { accept: '*/*' } }],
  ['a part of a page', (_request, response) => response.writeHead(206, { 'content-type': 'text/html' }).end(PAGE), {}],
])('%s stays as it is', async (_name, listener, options) => {
  await serve(listener)
  const { headers, body } = await ask(options)
  expect(body).toBe(PAGE)
  expect(headers).not.toHaveProperty('shiv-reload')
})

test('the answer to HEAD has no body and keeps its headers', async () => {
  await serve(html())
  expect(await ask({ method: 'HEAD' })).toMatchObject({
    body: '',
    headers: { 'content-length': String(Buffer.byteLength(PAGE)) },
  })
})

test('a page whose policy forbids the script says so; one with a nonce gives it', async () => {
  await serve((request, response) => {
    const policy = request.url === '/strict' ? "default-src 'none'" : "script-src 'nonce-r4nd0m' 'strict-dynamic'"
    html({ 'content-security-policy': policy })(request, response)
  })
  const strict = await ask({ path: '/strict' })
  expect(strict.body).toBe(PAGE)
  expect(strict.headers['shiv-reload']).toBe('off: script-src of the Content-Security-Policy forbids its script')
  expect((await ask()).body).toContain(' nonce="r4nd0m"></script>')
})

test('an encoding that is not known leaves the page as it is, and says so', async () => {
  await serve(html({ 'content-encoding': 'zstd' }))
  expect(await ask()).toMatchObject({ body: PAGE, headers: { 'shiv-reload': 'off: the encoding zstd is not known here' } })
})

test("where it is off nothing is touched, and its paths are the service's own", async () => {
  await serve(html(), false)
  expect((await ask()).body).toBe(PAGE)
  expect((await ask({ path: '/.shiv/reload.js' })).body).toBe(PAGE)
})

/** Opens the stream of events; its status, and how to close it. */
function listen(headers: Record<string, string> = {}): Promise<{ status: number; close(): void }> {
  return new Promise((resolve, reject) => {
    const asking = httpRequest(
      {
        host: '127.0.0.1',
        port: door.port,
        path: '/.shiv/reload',
        agent: false,
        headers: { host: 'shop.localhost', ...headers },
      },
      (response) => resolve({ status: response.statusCode!, close: () => asking.destroy() }),
    )
    asking.on('error', reject).end()
  })
}

test.each<[string, number, Record<string, string>]>([
  ['of a page of its own', 200, { 'sec-fetch-site': 'same-origin', origin: 'http://shop.localhost' }],
  ['of a tool that is no browser', 200, {}],
  ['of another site', 403, { 'sec-fetch-site': 'cross-site' }],
  ['of another service here', 403, { 'sec-fetch-site': 'same-site' }],
  ['of another origin, by a browser that says only that', 403, { origin: 'http://evil.example' }],
  ['of a page without an origin', 403, { origin: 'null' }],
])('the stream of events is asked for by the script %s: %i', async (_name, status, headers) => {
  await serve(html())
  const stream = await listen(headers)
  expect(stream.status).toBe(status)
  stream.close()
})

test('streams are bounded; one that ends makes room', async () => {
  await serve(html())
  const streams = await Promise.all(Array.from({ length: 64 }, () => listen()))
  expect(new Set(streams.map(({ status }) => status))).toEqual(new Set([200]))
  expect((await listen()).status).toBe(503)
  streams[0]!.close()
  await expect.poll(async () => (await listen()).status).toBe(200)
  for (const { close } of streams) close()
})

test('the page in a browser reloads when another version is announced, also one that was on its way', async ({ skip }) => {
  if ((await execa('/usr/bin/chromium', ['--version'], { reject: false })).exitCode !== 0)
    return skip('skipped: chromium is not on this machine')
  let version = 1
  const url = await serve((_request, response) => {
    const text = `<!doctype html><h1>version ${version}</h1>`
    response.writeHead(200, { 'content-type': 'text/html', etag: '"same"', 'content-security-policy': "default-src 'self'" })
    response.end(text)
  })
  const browser = await chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-component-update'],
  })
  try {
    const page = await browser.newPage()
    await page.goto(url)
    await page.getByText('version 1').waitFor()
    for (version = 2; version <= 4; version += 1) {
      door.announce!(HOST, version)
      await page.getByText(`version ${version}`).waitFor()
    }
    // Announced between the page and its stream of events.
    const announceMeanwhile = async (route: { continue(): Promise<void> }): Promise<void> => {
      version = 9
      door.announce!(HOST, 9)
      await route.continue()
    }
    await page.route('**/.shiv/reload.js', announceMeanwhile, { times: 1 })
    await page.reload()
    await page.getByText('version 9').waitFor()
  } finally {
    await browser.close()
  }
}, 60_000)

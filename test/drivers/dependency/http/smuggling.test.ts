import fc from 'fast-check'
import { createServer, type IncomingMessage } from 'node:http'
import { Duplex } from 'node:stream'
import { expect, test } from 'vitest'
import { ChunkedDecoder } from '../../../../src/drivers/dependency/http/body-decoder.ts'
import { ServiceConnection } from '../../../../src/drivers/dependency/http/service-connection.ts'
import { answering, httpUpstream, open, raw, rawUpstream } from './support.ts'

const head = (lines: string[], first = 'POST / HTTP/1.1'): string => [first, 'Host: billing', ...lines, '', ''].join('\r\n')

const attempts: Record<string, string> = {
  'CL and TE': `${head(['Content-Length: 4', 'Transfer-Encoding: chunked'])}0\r\n\r\n`,
  'TE and CL': `${head(['Transfer-Encoding: chunked', 'Content-Length: 4'])}0\r\n\r\n`,
  'two lengths': `${head(['Content-Length: 1', 'Content-Length: 2'])}ab`,
  'two equal lengths': `${head(['Content-Length: 1', 'Content-Length: 1'])}a`,
  'a list of lengths': `${head(['Content-Length: 1, 1'])}a`,
  'a signed length': `${head(['Content-Length: +1'])}a`,
  'a negative length': head(['Content-Length: -1']),
  'a hexadecimal length': `${head(['Content-Length: 0x1'])}a`,
  'an empty length': head(['Content-Length: ']),
  'a space before the colon': `${head(['Content-Length : 1'])}a`,
  'obsolete folding': head(['X-A: 1', ' folded']),
  'folded Transfer-Encoding': head(['Transfer-Encoding:', ' chunked']),
  'a fold by tab': head(['X-A: 1', '\tContent-Length: 5']),
  'a first header that is folded': head([]).replace('Host', ' Host'),
  'bare LF between headers': 'POST / HTTP/1.1\r\nHost: billing\nContent-Length: 1\r\n\r\na',
  'bare LF at the end of the head': 'GET / HTTP/1.1\nHost: billing\n\n',
  'bare CR in a value': head(['X-A: 1\rContent-Length: 5']),
  'NUL in a value': head(['X-A: 1\0']),
  'NUL in a name': head(['X\0A: 1']),
  'a control character in a name': head(['X\x01A: 1']),
  'other codings': `${head(['Transfer-Encoding: gzip, chunked'])}0\r\n\r\n`,
  'identity coding': head(['Transfer-Encoding: identity']),
  'two Transfer-Encoding': `${head(['Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'])}0\r\n\r\n`,
  'a coding with something before it': `${head(['Transfer-Encoding: xchunked'])}0\r\n\r\n`,
  'a coding with a vertical tab': `${head(['Transfer-Encoding: \x0bchunked'])}0\r\n\r\n`,
  'two hosts': head(['Host: other'], 'GET / HTTP/1.1'),
  'no host': 'GET / HTTP/1.1\r\n\r\n',
  'a header without a colon': head(['X-A']),
  'an empty name': head([': 1']),
  'two spaces in the request line': head([], 'GET  / HTTP/1.1'),
  'a space in the target': head([], 'GET /a b HTTP/1.1'),
  'a fragment in the target': head([], 'GET /a#b HTTP/1.1'),
  'HTTP/1.2': head([], 'GET / HTTP/1.2'),
  'HTTP/2.0 in a request line': head([], 'GET / HTTP/2.0'),
  'HTTP/0.9': 'GET /\r\n\r\n',
  'lower-case http': head([], 'GET / http/1.1'),
  'an unknown method': head([], 'GETT / HTTP/1.1'),
  CONNECT: head([], 'CONNECT billing:443 HTTP/1.1'),
  'TE in HTTP/1.0': `${head(['Transfer-Encoding: chunked'], 'POST / HTTP/1.0')}0\r\n\r\n`,
}

test.each(Object.entries(attempts))('%s is refused and never reaches the upstream', async (_name, bytes) => {
  let reached = 0
  const server = await httpUpstream((_request, response) => {
    reached += 1
    response.end('ok')
  })
  const { port } = await open(server)
  const text = await raw(port, `${bytes}GET /smuggled HTTP/1.1\r\nHost: billing\r\n\r\n`)
  expect(text).toMatch(/^HTTP\/1\.1 (400|501|505) /)
  expect(text).toContain('PROXY_BAD_REQUEST')
  expect(text.match(/HTTP\/1\.1 /g), 'one answer, then the end').toHaveLength(1)
  expect(reached).toBe(0)
})

const badChunks: Record<string, string> = {
  'a chunk longer than its size': '1\r\nab\r\n0\r\n\r\n',
  'a size that is no number': 'x\r\na\r\n0\r\n\r\n',
  'an empty size': '\r\na\r\n0\r\n\r\n',
  'a size with a sign': '+1\r\na\r\n0\r\n\r\n',
  'a size with 0x': '0x1\r\na\r\n0\r\n\r\n',
  'a size that overflows': 'fffffffffffffffff\r\na\r\n0\r\n\r\n',
  'a bare LF after the size': '1\na\r\n0\r\n\r\n',
  'a bare LF after the data': '1\r\na\n0\r\n\r\n',
  'a bare LF in an extension': '1;a\nb\r\na\r\n0\r\n\r\n',
  'an extension without a name': '1;\r\na\r\n0\r\n\r\n',
  'a space after the size': '1 \r\na\r\n0\r\n\r\n',
  'a bare LF in the trailers': '0\r\nA: 1\n\r\n',
  'a trailer with a length': '0\r\nContent-Length: 1\r\n\r\n',
  'a folded trailer': '0\r\nA: 1\r\n b\r\n\r\n',
}

test.each(Object.entries(badChunks))('%s ends the request, and what follows is no request', async (_name, bytes) => {
  const paths: string[] = []
  const server = await httpUpstream((request, response) => {
    paths.push(request.url!)
    request.resume()
    request.on('end', () => response.end('ok'))
  })
  const { port } = await open(server)
  const text = await raw(port, `${head(['Transfer-Encoding: chunked'])}${bytes}GET /smuggled HTTP/1.1\r\nHost: billing\r\n\r\n`)
  expect(text).toMatch(/^HTTP\/1\.1 (400|431) /)
  expect(paths).not.toContain('/smuggled')
})

const badAnswers: Record<string, string> = {
  'CL and TE': 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  'two lengths': 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\na',
  'a folded header': 'HTTP/1.1 200 OK\r\nX-A: 1\r\n b\r\nContent-Length: 1\r\n\r\na',
  'a bare LF': 'HTTP/1.1 200 OK\nContent-Length: 1\n\na',
  'no HTTP': 'SSH-2.0-OpenSSH_9.6\r\n\r\n',
  'an unasked 101': 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n',
  'a control character': 'HTTP/1.1 200 OK\r\nX-A: a\x00b\r\nContent-Length: 1\r\n\r\na',
  'interim answers without end': 'HTTP/1.1 102 Processing\r\n\r\n'.repeat(50),
}

test.each(Object.entries(badAnswers))('an answer with %s is a 502 that says so', async (_name, bytes) => {
  const server = await rawUpstream(answering(bytes))
  const { port } = await open(server)
  const text = await raw(port, 'GET / HTTP/1.1\r\nHost: billing\r\nConnection: close\r\n\r\n')
  expect(text).toMatch(/HTTP\/1\.1 502 /)
  expect(text).toContain('PROXY_UPSTREAM_INVALID')
})

// What our parser takes, Node's takes in the same way: same requests, same bodies, same rest. It may refuse more, never less.

interface Read {
  method: string
  url: string
  rawHeaders: readonly string[]
  body: string
}

const oddity = fc.oneof(
  fc.constantFrom(
    ' ',
    '/',
    '\r\n',
    '\r\n\r\n',
    '\n',
    '\r',
    ':',
    ',',
    '\t',
    ';',
    '0',
    '5',
    'chunked',
    '0\r\n\r\n',
    'Content-Length: ',
    ' HTTP/1.1',
  ),
  fc.string({ maxLength: 4, unit: 'binary' }).map((text) => Buffer.from(text).toString('latin1')),
)
const field = fc.constantFrom(
  'X-A: b\r\n',
  'X-B:\r\n',
  'x_c:  d \t\r\n',
  'Connection: keep-alive\r\n',
  'Accept: */*\r\n',
  'Expect: 100-continue\r\n',
  'Connection: close\r\n',
  'TE: trailers\r\n',
)
const framing = fc.constantFrom(
  { field: '', body: '' },
  { field: 'Content-Length: 3\r\n', body: 'abc' },
  { field: 'content-length: 0\r\n', body: '' },
  { field: 'Transfer-Encoding: chunked\r\n', body: '3\r\nabc\r\n0\r\n\r\n' },
  { field: 'transfer-encoding: Chunked\r\n', body: '3;x=y\r\nabc\r\n1\r\nd\r\n0\r\nT: 1\r\n\r\n' },
  { field: 'Content-Length: 3\r\nTransfer-Encoding: chunked\r\n', body: '0\r\n\r\n' },
)
const message = fc
  .record({
    line: fc.constantFrom(
      'GET / HTTP/1.1\r\n',
      'POST /x?y=z HTTP/1.1\r\n',
      'PUT /x HTTP/1.1\r\n',
      'GET / HTTP/1.0\r\n',
      'OPTIONS * HTTP/1.1\r\n',
    ),
    fields: fc.array(field, { maxLength: 3 }),
    framing,
    more: fc.array(field, { maxLength: 2 }),
  })
  .map(
    ({ line, fields, framing, more }) =>
      `${line}Host: a\r\n${fields.join('')}${framing.field}${more.join('')}\r\n${framing.body}`,
  )
/** Messages one after another, with something odd put in, taken out or doubled here and there. */
const stream = fc
  .record({
    messages: fc.array(message, { minLength: 1, maxLength: 3 }),
    edits: fc.array(fc.record({ at: fc.nat(), cut: fc.nat({ max: 6 }), oddity: fc.option(oddity, { nil: '' }) }), {
      maxLength: 2,
    }),
  })
  .map(({ messages, edits }) => {
    let text = messages.join('')
    for (const { at, cut, oddity } of edits) {
      const place = at % (text.length + 1)
      text = text.slice(0, place) + oddity + text.slice(place + cut)
    }
    return text
  })

test('fuzz: what is taken as requests is what Node takes, in the same way', { timeout: 120_000 }, async () => {
  let agreed = 0
  await fc.assert(
    fc.asyncProperty(stream, fc.integer({ min: 1, max: 40 }), async (text, step) => {
      const bytes = Buffer.from(text, 'latin1')
      const ours = await readByUs(bytes, step)
      const nodes = await readByNode(bytes)
      agreed += ours.length
      expect(nodes.slice(0, ours.length), JSON.stringify(text)).toEqual(ours)
    }),
    { numRuns: 3_000 },
  )
  expect(agreed, 'enough that was taken at all').toBeGreaterThan(1_000)
})

test('fuzz: a chunked body is read the same, however it is cut', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ minLength: 1, maxLength: 50 }), { maxLength: 6 }),
      fc.infiniteStream(fc.integer({ min: 1, max: 9 })),
      (chunks, steps) => {
        const whole = Buffer.concat([
          ...chunks.flatMap((chunk) => [Buffer.from(`${chunk.length.toString(16)}\r\n`), chunk, Buffer.from('\r\n')]),
          Buffer.from('0\r\nA: 1\r\n\r\nrest'),
        ])
        const decoder = new ChunkedDecoder()
        const read: Buffer[] = []
        let trailers: readonly string[] = []
        let at = 0
        const reader = {
          onData: (chunk: Buffer) => read.push(Buffer.from(chunk)),
          onEnd: (given: readonly string[]) => (trailers = given),
        }
        let rest: Buffer | undefined
        while (!decoder.isDone) {
          const size = steps.next().value as number
          rest = decoder.push(whole.subarray(at, at + size), reader)
          at += size
        }
        expect(Buffer.concat(read)).toEqual(Buffer.concat(chunks))
        expect(trailers).toEqual(['A', '1'])
        expect(Buffer.concat([rest ?? Buffer.alloc(0), whole.subarray(at)]).toString()).toBe('rest')
      },
    ),
  )
})

/** A connection of which both ends are here. */
class Pipe extends Duplex {
  override _read(): void {}
  override _write(_chunk: Buffer, _encoding: string, done: () => void): void {
    done()
  }
}

async function readByUs(bytes: Buffer, step: number): Promise<Read[]> {
  const reads: Read[] = []
  const pipe = new Pipe()
  const connection = new ServiceConnection(pipe, {
    serve(inbound) {
      const read: Read = { method: inbound.method, url: inbound.target, rawHeaders: inbound.headers, body: '' }
      inbound.listen({ onDrain() {}, onGone() {} })
      inbound.read({
        onData: (chunk) => (read.body += chunk.toString('latin1')),
        onEnd() {
          reads.push(read)
          inbound.respond({ status: 200, statusText: '', headers: [] }, 0)
          inbound.end([])
        },
      })
    },
    refuse: (inbound) => {
      inbound.respond({ status: 400, statusText: '', headers: [] }, 0)
      inbound.end([])
    },
    serveHttp2: (socket) => void socket.destroy(),
    onDefect(error) {
      throw error
    },
    onReleased() {},
    maxHeadBytes: 16_000,
    maxFields: 100,
  })
  for (let at = 0; at < bytes.length; at += step) pipe.push(bytes.subarray(at, at + step))
  for (let turn = 0; turn < 8; turn += 1) await new Promise(setImmediate)
  connection.destroy()
  // Node knows absolute targets too, and leaves them as they are.
  return reads.filter((read) => read.url.startsWith('/'))
}

async function readByNode(bytes: Buffer): Promise<Read[]> {
  const reads: Read[] = []
  const server = createServer({ insecureHTTPParser: false, requireHostHeader: false }, (request: IncomingMessage, response) => {
    const read: Read = { method: request.method!, url: request.url!, rawHeaders: request.rawHeaders, body: '' }
    request.on('data', (chunk: Buffer) => (read.body += chunk.toString('latin1')))
    request.on('end', () => {
      reads.push(read)
      response.end()
    })
  })
  for (const name of ['checkContinue', 'checkExpectation']) server.on(name, (...args) => server.emit('request', ...args))
  server.on('upgrade', (_request, socket: Duplex) => socket.destroy())
  server.on('clientError', () => {}) // what was read before counts
  const pipe = new Pipe()
  server.emit('connection', pipe)
  pipe.push(bytes)
  for (let turn = 0; turn < 8; turn += 1) await new Promise(setImmediate)
  pipe.destroy()
  return reads.filter((read) => read.url.startsWith('/'))
}

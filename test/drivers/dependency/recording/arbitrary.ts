import fc from 'fast-check'
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib'
import type { RawHeaders } from '../../../../src/drivers/dependency/exchange.ts'
import type { Traffic } from './traffic.ts'

const word = fc.string({ unit: fc.constantFrom(...'abcdefgXYZ019-._~'), minLength: 1, maxLength: 8 })
const headers = fc
  .array(
    fc.tuple(
      fc.constantFrom('X-One', 'x-two', 'X-One', 'Cache-Control', 'ETag'),
      fc.string({ unit: fc.constantFrom(...'abc é"\t='), maxLength: 12 }),
    ),
    {
      maxLength: 4,
    },
  )
  .map((fields) => fields.flatMap(([name, value]) => [name, value.trim()]))
const target = fc
  .tuple(fc.array(word, { minLength: 1, maxLength: 3 }), fc.array(fc.tuple(word, word), { maxLength: 3 }))
  .map(([path, query]) => `/${path.join('/')}${query.length > 0 ? `?${query.map((pair) => pair.join('=')).join('&')}` : ''}`)
const content: fc.Arbitrary<{ type?: string; bytes: Buffer }> = fc.oneof(
  fc.constant({ bytes: Buffer.alloc(0) }),
  // Of any letters a key is now and then the name of a secret.
  fc
    .json({ stringUnit: fc.constantFrom(...'abcdefgXYZ019-._~é"{') })
    .map((text) => ({ type: 'application/json', bytes: Buffer.from(text) })),
  fc.string({ unit: 'binary' }).map((text) => ({ type: 'text/plain; charset=utf-8', bytes: Buffer.from(text) })),
  fc.uint8Array({ maxLength: 200 }).map((bytes) => ({ type: 'application/octet-stream', bytes: Buffer.from(bytes) })),
  fc.uint8Array({ maxLength: 200 }).map((bytes) => ({ bytes: Buffer.from(bytes) })),
  fc.array(fc.tuple(word, word)).map((pairs) => ({
    type: 'application/x-www-form-urlencoded',
    bytes: Buffer.from(pairs.map((pair) => pair.join('=')).join('&')),
  })),
)
const coding = fc.constantFrom(undefined, undefined, 'gzip', 'br', 'deflate')
const ENCODE = { gzip: gzipSync, br: brotliCompressSync, deflate: deflateSync }

const body: fc.Arbitrary<{ headers: RawHeaders; body: Buffer }> = fc.tuple(content, coding).map(([{ type, bytes }, coding]) => {
  const coded = coding === undefined || bytes.length === 0 ? bytes : ENCODE[coding](bytes)
  const fields = [
    ...(type === undefined ? [] : ['Content-Type', type]),
    ...(coding === undefined ? [] : ['Content-Encoding', coding]),
  ]
  return { headers: fields, body: coded }
})

/** Any exchange without secrets. */
export const anyExchange: fc.Arbitrary<Traffic> = fc
  .record({
    method: fc.constantFrom('GET', 'POST', 'PUT', 'DELETE'),
    target,
    fields: headers,
    sent: body,
    status: fc.constantFrom(200, 201, 302, 404, 500),
    answerFields: headers,
    received: body,
    trailers: fc.constantFrom([], ['x-sum', '1']),
  })
  .map(({ method, target, fields, sent, status, answerFields, received, trailers }) => ({
    method,
    target,
    headers: [...fields, ...sent.headers],
    body: sent.body,
    answer: {
      status,
      statusText: 'Text',
      headers: [...answerFields, ...received.headers, 'Content-Length', String(received.body.length)],
      body: received.body,
      trailers,
    },
  }))

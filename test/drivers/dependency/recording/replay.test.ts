import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { brotliCompressSync, deflateSync, gunzipSync, gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { openExchange } from '../../../../src/drivers/dependency/recording/open-exchange.ts'
import {
  chunksFor,
  contentsOf,
  header,
  played,
  readAnswer,
  record,
  replay,
  requestHead,
  settingOf,
  tempFolder,
  unmatched,
} from './traffic.ts'
import type { Traffic } from './traffic.ts'

const JSON_TYPE = ['Content-Type', 'application/json']
const fileIn = (): string => join(tempFolder(), 'recordings', 'billing.har')
const post = (target: string, value: unknown): Traffic => ({
  method: 'POST',
  target,
  headers: JSON_TYPE,
  body: JSON.stringify(value),
  answer: { status: 201, statusText: 'Created', headers: JSON_TYPE, body: `{"got":${JSON.stringify(value)}}` },
})

test('what was answered is answered again: status, fields in order, body, trailers; and says where it comes from', async () => {
  const file = fileIn()
  const answer = {
    status: 203,
    statusText: 'Non-Authoritative',
    headers: ['X-One', 'a', 'x-two', 'b', 'X-One', 'c', 'Content-Length', '5', 'Content-Type', 'text/plain'],
    body: 'hello',
    trailers: ['x-sum', '9'],
  }
  await record(file, [{ target: '/invoices?page=2', answer }])
  const [got] = (await replay(file, [{ target: '/invoices?page=2' }])).map(played)
  expect(got).toEqual({ ...answer, headers: [...answer.headers, 'shiv-served-by', 'recording'], body: Buffer.from('hello') })
})

test('the date of an answer is that of its playing', async () => {
  const file = fileIn()
  await record(file, [{ target: '/', answer: { headers: ['Date', 'Mon, 05 Jan 2015 10:00:00 GMT'] } }])
  expect(readFileSync(file, 'utf8')).not.toContain('2015')
  const [got] = (await replay(file, [{ target: '/' }])).map(played)
  expect(Math.abs(Date.parse(header(got!.headers, 'date')!) - Date.now())).toBeLessThan(60_000)
})

test('a coded body is held without its coding, and coded again for who takes it', async () => {
  const file = fileIn()
  const text = JSON.stringify({ list: Array.from({ length: 50 }, (_, at) => `item ${at}`) })
  const codings = {
    gzip: gzipSync(text),
    deflate: deflateSync(text),
    br: brotliCompressSync(text),
    'br, gzip': gzipSync(brotliCompressSync(text)),
  }
  await record(
    file,
    Object.entries(codings).map(([coding, body], at) => ({
      target: `/${at}`,
      answer: { headers: [...JSON_TYPE, 'Content-Encoding', coding, 'Content-Length', String(body.length)], body },
    })),
  )
  expect(readFileSync(file, 'utf8').match(/item 49/g)).toHaveLength(4)
  const [plain, coded] = (await replay(file, [{ target: '/0' }, { target: '/0', headers: ['Accept-Encoding', 'br, gzip'] }])).map(
    played,
  )
  expect([plain!.body.toString(), header(plain!.headers, 'content-encoding')]).toEqual([text, undefined])
  expect(header(plain!.headers, 'content-length')).toBe(String(text.length))
  expect([gunzipSync(coded!.body).toString(), header(coded!.headers, 'content-encoding')]).toEqual([text, 'gzip'])
  expect(header(coded!.headers, 'content-length')).toBe(String(coded!.body.length))
})

test('HEAD, 204 and 304 have no body and keep their fields', async () => {
  const file = fileIn()
  await record(file, [
    { method: 'HEAD', target: '/a', answer: { headers: ['Content-Length', '1234'] } },
    { method: 'DELETE', target: '/a', answer: { status: 204, statusText: 'No Content' } },
    {
      target: '/a',
      headers: ['If-None-Match', '"1"'],
      answer: { status: 304, statusText: 'Not Modified', headers: ['ETag', '"1"'] },
    },
    { target: '/a', answer: { headers: ['ETag', '"1"'], body: 'text' } },
  ])
  const [head, gone, same, whole] = (
    await replay(file, [
      { method: 'HEAD', target: '/a' },
      { method: 'DELETE', target: '/a' },
      { target: '/a', headers: ['if-none-match', '"1"'] },
      { target: '/a' },
    ])
  ).map(played)
  expect([header(head!.headers, 'content-length'), head!.body.length]).toEqual(['1234', 0])
  expect([gone!.status, same!.status, whole!.status, whole!.body.toString()]).toEqual([204, 304, 200, 'text'])
})

test('server-sent events are played whole', async () => {
  const file = fileIn()
  const body = 'event: tick\ndata: {"n":1}\n\ndata: {"n":2}\n\n'
  await record(file, [{ target: '/events', answer: { headers: ['Content-Type', 'text/event-stream'], body } }])
  expect(played((await replay(file, [{ target: '/events' }]))[0]).body.toString()).toBe(body)
})

test('a body of more than 1 MB is a file of its own beside the recording, and is played from there', async () => {
  const file = fileIn()
  const text = 'line of a large text\n'.repeat(70_000)
  const picture = Buffer.alloc(3 * 1024 * 1024, 'picture\0')
  await record(
    file,
    [
      { target: '/text', answer: { headers: ['Content-Type', 'text/plain'], body: text } },
      { method: 'PUT', target: '/picture', headers: ['Content-Type', 'image/png'], body: picture, answer: {} },
      { target: '/picture', answer: { headers: ['Content-Type', 'image/png'], body: picture } },
    ],
    {},
    65_536,
  )
  expect(readFileSync(file).length).toBeLessThan(5000)
  const bodies = contentsOf(`${file}.bodies`)
  expect(bodies.map(({ bytes }) => bytes.length).toSorted((a, b) => a - b)).toEqual([text.length, picture.length])
  const answers = await replay(file, [
    { target: '/text' },
    { target: '/picture' },
    { method: 'PUT', target: '/picture', headers: ['Content-Type', 'image/png'], body: picture },
  ])
  expect(played(answers[0]).body.toString() === text).toBe(true)
  expect(played(answers[1]).body.equals(picture)).toBe(true)
  expect(played(answers[2]).status).toBe(200)
  const [other] = await replay(file, [
    { method: 'PUT', target: '/picture', headers: ['Content-Type', 'image/png'], body: picture.subarray(1) },
  ])
  expect(unmatched(other).difference).toEqual(['body: another content'])
})

test('a text too large to be looked at is not written, and its answer says why it cannot be played', async () => {
  const file = fileIn()
  await record(
    file,
    [{ target: '/dump', answer: { headers: ['Content-Type', 'text/csv'], body: Buffer.alloc(9 * 1024 * 1024, 'a,b\n') } }],
    {},
    65_536,
  )
  expect(contentsOf(join(file, '..')).map(({ path }) => path)).toEqual([file])
  expect(unmatched((await replay(file, [{ target: '/dump' }]))[0]).message).toBe(
    'The answer to GET /dump was recorded without its content: it is larger than 8388608 bytes, too large to be looked at.',
  )
})

test('an exchange that was broken off is not recorded', async () => {
  const file = fileIn()
  const exchange = await openExchange(settingOf(file, 'record'))
  const capture = exchange.recorder!.begin(requestHead({ target: '/half' }))
  capture.requestEnd([])
  capture.responseHead({ status: 200, statusText: 'OK', headers: ['Content-Type', 'image/png'] })
  for (let part = 0; part < 40; part++) await capture.responseData(Buffer.alloc(65_536, part))
  capture.fail('upstream reset')
  await record(file, [{ target: '/whole', answer: {} }])
  await exchange.close()
  expect(readFileSync(file, 'utf8')).not.toContain('/half')
  expect(unmatched((await replay(file, [{ target: '/half' }]))[0]).nearest).toBe('GET /whole')
  await expect.poll(() => contentsOf(join(file, '..')).map(({ path }) => path)).toEqual([file])
})

test('requests are equal whatever the order of parameters and JSON fields, the coding of signs, and the boundary of parts', async () => {
  const file = fileIn()
  const parts = (boundary: string): string =>
    `--${boundary}\r\nContent-Disposition: form-data; name="a"\r\n\r\none\r\n--${boundary}\r\n` +
    `Content-Disposition: form-data; name="f"; filename="f.bin"\r\nContent-Type: application/octet-stream\r\n\r\n\u0001\u0000\r\n--${boundary}--\r\n`
  const multipart = (boundary: string): Omit<Traffic, 'answer'> => ({
    method: 'POST',
    target: '/parts',
    headers: ['Content-Type', `multipart/form-data; boundary=${boundary}`],
    body: parts(boundary),
  })
  await record(file, [
    { target: '/a%7Eb?x=1&x=2&y=%20', answer: { body: 'query' } },
    post('/json', { a: 1, b: [{ c: 1.5, d: null }] }),
    { ...multipart('----one'), answer: { body: 'parts' } },
    {
      method: 'POST',
      target: '/form',
      headers: ['Content-Type', 'application/x-www-form-urlencoded'],
      body: 'a=1&b=2',
      answer: { body: 'form' },
    },
  ])
  const answers = await replay(file, [
    { target: '/a~b?y=+&x=1&x=2' },
    { method: 'POST', target: '/json', headers: JSON_TYPE, body: '{ "b": [{"d":null, "c":1.50}],\n"a":1 }' },
    multipart('other-boundary'),
    { method: 'POST', target: '/form', headers: ['Content-Type', 'application/x-www-form-urlencoded'], body: 'b=2&a=1' },
    { target: '/a~b?y=+&x=2&x=1' },
  ])
  expect(answers.slice(0, 4).map((answer) => played(answer).body.toString())).toEqual([
    'query',
    '{"got":{"a":1,"b":[{"c":1.5,"d":null}]}}',
    'parts',
    'form',
  ])
  expect(unmatched(answers[4]).difference).toEqual(['query x: "2" "1", recorded "1" "2"'])
})

test('a request that was not recorded is refused with the nearest one and what differs', async () => {
  const file = fileIn()
  await record(file, [
    { target: '/invoices?page=2&size=10', answer: {} },
    { target: '/customers', answer: {} },
    post('/orders', { amount: 7, lines: [1, 2] }),
  ])
  const [page, amount, path] = (
    await replay(file, [
      { target: '/invoices?page=3&sort=up' },
      { method: 'POST', target: '/orders', headers: JSON_TYPE, body: '{"amount":5,"lines":[1,2]}' },
      { target: '/customers/9' },
    ])
  ).map(unmatched)
  expect(page).toEqual({
    message: 'No recorded GET /invoices has this query.',
    nearest: 'GET /invoices?page=2&size=10',
    difference: ['query page: "3", recorded "2"', 'query size: missing, recorded "10"', 'query sort: "up", not recorded'],
    hint: 'shiv proxy mode billing record',
  })
  expect(amount).toMatchObject({
    message: 'No recorded POST /orders has this body.',
    difference: ['body $.amount: 5, recorded 7'],
  })
  expect(path).toMatchObject({
    message: 'No GET /customers/9 is recorded.',
    nearest: 'GET /customers',
    difference: ['path /customers/9, recorded /customers'],
  })
})

test('what is on the ignore lists does not count', async () => {
  const file = fileIn()
  const rules = { ignore: { query: ['at'], headers: ['range'], body: ['$.sent', '$.lines[*].id'] } }
  await record(file, [
    { ...post('/orders?at=1', { sent: 1, lines: [{ id: 1, n: 2 }] }), headers: [...JSON_TYPE, 'Range', 'bytes=0-1'] },
  ])
  const request = { method: 'POST', target: '/orders?at=2', headers: JSON_TYPE, body: '{"lines":[{"id":9,"n":2}],"sent":3}' }
  expect(played((await replay(file, [request], rules))[0]).status).toBe(201)
  expect(unmatched((await replay(file, [request]))[0]).message).toBe(
    'No recorded POST /orders has this query and this header and this body.',
  )
})

test('fields that choose an answer count: Range, conditions, and what its Vary names', async () => {
  const file = fileIn()
  const answerIn = (language: string): Traffic => ({
    target: '/text',
    headers: ['Accept-Language', language],
    answer: { headers: ['Vary', 'Accept-Language, Accept-Encoding'], body: language },
  })
  await record(file, [
    answerIn('de'),
    answerIn('en'),
    { target: '/file', headers: ['Range', 'bytes=0-3'], answer: { status: 206, body: 'part' } },
  ])
  const answers = await replay(file, [
    { target: '/text', headers: ['accept-language', 'en', 'Accept-Encoding', 'zstd'] },
    { target: '/text', headers: ['accept-language', 'de'] },
    { target: '/text', headers: ['accept-language', 'fr'] },
    { target: '/file' },
  ])
  expect(answers.slice(0, 2).map((answer) => played(answer).body.toString())).toEqual(['en', 'de'])
  expect(unmatched(answers[2]).difference).toEqual(['header accept-language: "fr", recorded "de"'])
  expect(unmatched(answers[3]).difference).toEqual(['header range: absent, recorded "bytes=0-3"'])
})

test('ordered: equal requests are answered in their order, each as often as it came, the last again and again', async () => {
  const file = fileIn()
  const state = (text: string): Traffic => ({ target: '/state', answer: { body: text } })
  await record(file, [state('new'), state('new'), { target: '/other', answer: {} }, state('paid'), state('new')], {
    order: 'ordered',
  })
  const asked = Array.from({ length: 6 }, () => ({ target: '/state' }))
  const inOrder = await replay(file, asked, { order: 'ordered' })
  expect(inOrder.map((answer) => played(answer).body.toString())).toEqual(['new', 'new', 'paid', 'new', 'new', 'new'])
  const any = await replay(file, asked.slice(0, 2), { order: 'any' })
  expect(any.map((answer) => played(answer).body.toString())).toEqual(['new', 'new'])
})

test('record-missing plays what is there and records the rest, which the next request then gets', async () => {
  const file = fileIn()
  await record(file, [{ target: '/old', answer: { body: 'from the recording' } }])
  const exchange = await openExchange(settingOf(file, 'replay', {}, { recordMissing: true }))
  const ask = async (target: string) =>
    readAnswer(await exchange.player!.answer(requestHead({ target }), chunksFor(''), AbortSignal.timeout(5000)))
  expect(played(await ask('/old')).body.toString()).toBe('from the recording')
  unmatched(await ask('/new'))
  const capture = exchange.recorder!.begin(requestHead({ target: '/new' }))
  capture.requestEnd([])
  capture.responseHead({ status: 200, statusText: 'OK', headers: [] })
  capture.responseData(Buffer.from('from upstream'))
  capture.end([])
  await expect.poll(async () => 'status' in (await ask('/new'))).toBe(true)
  await exchange.close()
  expect((await replay(file, [{ target: '/new' }, { target: '/old' }])).map((answer) => played(answer).body.toString())).toEqual([
    'from upstream',
    'from the recording',
  ])
})

test('a HAR that a browser exported is played', async () => {
  const file = join(tempFolder(), 'a.har')
  const request = {
    method: 'GET',
    url: 'https://shop.example/api/items?page=1#top',
    httpVersion: 'http/2.0',
    headers: [{ name: ':authority', value: 'shop.example' }],
    cookies: [],
  }
  const content = { size: 5, mimeType: 'text/plain', text: 'items', compression: -5 }
  const headers = [
    { name: 'content-encoding', value: 'br' },
    { name: 'content-type', value: 'text/plain' },
  ]
  const response = { status: 200, statusText: '', httpVersion: 'http/2.0', headers, content }
  writeFileSync(
    file,
    JSON.stringify({ log: { version: '1.2', creator: {}, pages: [], entries: [{ _priority: 'High', request, response }] } }),
  )
  const [answer] = (await replay(file, [{ target: '/api/items?page=1' }])).map(played)
  expect([answer!.status, answer!.body.toString()]).toEqual([200, 'items'])
})

test('a recording that is edited while it is played is read again; a broken one is an error with its line', async () => {
  const file = fileIn()
  await record(file, [{ target: '/a', answer: { body: 'one' } }])
  const exchange = await openExchange(settingOf(file, 'replay'))
  const ask = async () =>
    readAnswer(await exchange.player!.answer(requestHead({ target: '/a' }), chunksFor(''), AbortSignal.timeout(5000)))
  expect(played(await ask()).body.toString()).toBe('one')
  const text = readFileSync(file, 'utf8')
  writeFileSync(file, text.replace('"text": "one"', '"text": "edited"'))
  expect(played(await ask()).body.toString()).toBe('edited')
  writeFileSync(file, text.replace('"method": "GET",', '"method": "GET"'))
  await expect(ask()).rejects.toMatchObject({ code: 'RECORDING_INVALID', faults: [{ code: 'RECORDING_NOT_JSON', line: 11 }] })
  await exchange.close()
})

test('a recording that is not there, and one that two would write', async () => {
  const file = fileIn()
  await expect(openExchange(settingOf(file, 'replay'))).rejects.toMatchObject({ code: 'RECORDING_MISSING', exit: 2 })
  await expect(openExchange(settingOf(file, 'record', { redact: { patterns: ['('] } }))).rejects.toMatchObject({
    code: 'RECORDING_RULE_INVALID',
  })
  await expect(openExchange(settingOf(file, 'record', { redact: { body: ['a.b'] } }))).rejects.toMatchObject({
    code: 'RECORDING_RULE_INVALID',
  })
  const first = await openExchange(settingOf(file, 'record'))
  const second = await openExchange(settingOf(file, 'record'))
  await first.close()
  await second.close()
  expect(contentsOf(join(file, '..'))).toEqual([])
})

import fc from 'fast-check'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { brotliCompressSync, deflateRawSync, deflateSync, gunzipSync, gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import type { RawHeaders } from '../../../../src/drivers/dependency/exchange.ts'
import { keepBody } from '../../../../src/drivers/dependency/recording/keep-body.ts'
import { compileRedaction } from '../../../../src/drivers/dependency/recording/redaction-rules.ts'
import { Redactor } from '../../../../src/drivers/dependency/recording/redactor.ts'
import { isCard } from '../../../../src/drivers/dependency/recording/secret-text.ts'
import { contentsOf, header, played, record, replay, tempFolder, type RuleChoice, type Traffic } from './traffic.ts'

const RULES: RuleChoice = {
  redact: {
    headers: ['X-Tenant'],
    cookies: ['tracking'],
    body: ['$.customer.iban', '$.list[*].hidden'],
    patterns: [String.raw`inv-[0-9a-z]+`],
  },
}
const JSON_TYPE = ['Content-Type', 'application/json']
const form = (boundary: string, parts: string[]): string =>
  parts.map((part) => `--${boundary}\r\n${part}\r\n`).join('') + `--${boundary}--\r\n`

interface Placed {
  target?: string
  headers?: RawHeaders
  body?: Buffer | string
}

/** Every place that a secret can have, in a request or an answer. */
const PLACES: Record<string, (secret: string) => Placed> = {
  bearer: (secret) => ({ headers: ['Authorization', `Bearer ${secret}`] }),
  basic: (secret) => ({ headers: ['authorization', `Basic ${Buffer.from(`user:${secret}`).toString('base64')}`] }),
  proxy: (secret) => ({ headers: ['Proxy-Authorization', secret] }),
  cookie: (secret) => ({ headers: ['Cookie', `a=1; session=${secret}; b=2`] }),
  setCookie: (secret) => ({ headers: ['Set-Cookie', `session=${secret}; Path=/; HttpOnly`] }),
  apiKey: (secret) => ({ headers: ['X-Api-Key', secret] }),
  vault: (secret) => ({ headers: ['X-Vault-Token', secret] }),
  chosenHeader: (secret) => ({ headers: ['x-tenant', secret] }),
  location: (secret) => ({ headers: ['Location', `https://other.example/cb?next=1&access_token=${secret}`] }),
  referer: (secret) => ({ headers: ['Referer', `https://me:${secret}@other.example/`] }),
  query: (secret) => ({ target: `/a?x=1&api_key=${secret}` }),
  signature: (secret) => ({ target: `/a?X-Amz-Signature=${secret}&b` }),
  nestedQuery: (secret) => ({ target: `/a?back=${encodeURIComponent(`/b?token=${secret}&c=1`)}` }),
  jwtInPath: (secret) => ({ target: `/verify/${jwt(secret)}` }),
  json: (secret) => ({ headers: JSON_TYPE, body: `{"user":{"name":"ann","password":"${secret}"},"n":1}` }),
  jsonBefore: (secret) => ({ headers: JSON_TYPE, body: JSON.stringify({ note: `it is ${secret}`, password: secret }) }),
  jsonEscaped: (secret) => ({
    headers: JSON_TYPE,
    body: `{"client\\u005fsecret":"\\u00${secret.charCodeAt(0).toString(16)}${secret.slice(1)}"}`,
  }),
  jsonDeep: (secret) => ({ headers: JSON_TYPE, body: JSON.stringify({ credentials: [{ any: { thing: secret } }] }) }),
  jsonInJson: (secret) => ({ headers: JSON_TYPE, body: JSON.stringify({ payload: JSON.stringify({ refresh_token: secret }) }) }),
  jsonPath: (secret) => ({
    headers: JSON_TYPE,
    body: JSON.stringify({ customer: { iban: secret }, list: [{ hidden: { deep: secret } }] }),
  }),
  jsonUntyped: (secret) => ({ body: `[{"apiKey":"${secret}"}]` }),
  lines: (secret) => ({ headers: ['Content-Type', 'application/x-ndjson'], body: `{"a":1}\n{"token":"${secret}"}\n` }),
  events: (secret) => ({
    headers: ['Content-Type', 'text/event-stream'],
    body: `event: x\ndata: {"access_token": "${secret}"}\n\n`,
  }),
  form: (secret) => ({
    headers: ['Content-Type', 'application/x-www-form-urlencoded'],
    body: `user=ann&client_secret=${secret}&z=1`,
  }),
  multipart: (secret) => ({
    headers: ['Content-Type', 'multipart/form-data; boundary=xyz'],
    body: form('xyz', [
      `Content-Disposition: form-data; name="password"\r\n\r\n${secret}`,
      `Content-Disposition: form-data; name="b"\r\n\r\n{"token":"${secret}"}`,
    ]),
  }),
  xml: (secret) => ({
    headers: ['Content-Type', 'text/xml'],
    body: `<login><ns:password type="t">${secret}</ns:password></login>`,
  }),
  cdata: (secret) => ({ headers: ['Content-Type', 'text/xml'], body: `<a><secret><![CDATA[${secret}]]></secret></a>` }),
  yaml: (secret) => ({ headers: ['Content-Type', 'text/plain'], body: `db:\n  password: ${secret}\n` }),
  env: (secret) => ({ headers: ['Content-Type', 'text/plain'], body: `export DB_PASSWORD='${secret}'\n` }),
  broken: (secret) => ({ headers: JSON_TYPE, body: `{"password": "${secret}", ` }),
  escapedText: (secret) => ({ headers: ['Content-Type', 'text/plain'], body: `log: "{\\"password\\":\\"${secret}\\"}"` }),
  sql: (secret) => ({ headers: ['Content-Type', 'text/plain'], body: `ALTER ROLE app PASSWORD '${secret}'` }),
  pattern: (secret) => ({ headers: ['Content-Type', 'text/plain'], body: `see inv-${secret.toLowerCase()} there` }),
  jwt: (secret) => ({ headers: ['Content-Type', 'text/html'], body: `<p>${jwt(secret)}</p>` }),
  pem: (secret) => ({ body: `-----BEGIN RSA PRIVATE KEY-----\n${secret}\n-----END RSA PRIVATE KEY-----\n` }),
  pemInJson: (secret) => ({
    headers: JSON_TYPE,
    body: JSON.stringify({ any: `-----BEGIN PRIVATE KEY-----\n${secret}\n-----END PRIVATE KEY-----` }),
  }),
  base64: (secret) => ({
    headers: JSON_TYPE,
    body: JSON.stringify({ blob: Buffer.from(`{"password":"${secret}"}`).toString('base64') }),
  }),
  base64Twice: (secret) => ({
    body: `x ${Buffer.from(Buffer.from(`token=${secret}`).toString('base64url')).toString('base64')} y`,
  }),
  base64Gzip: (secret) => ({
    headers: JSON_TYPE,
    body: JSON.stringify({ blob: gzipSync(`{"password":"${secret}"}`).toString('base64') }),
  }),
  gzip: (secret) => ({ headers: [...JSON_TYPE, 'Content-Encoding', 'gzip'], body: gzipSync(`{"secret":"${secret}"}`) }),
  deflate: (secret) => ({ headers: [...JSON_TYPE, 'Content-Encoding', 'deflate'], body: deflateSync(`{"secret":"${secret}"}`) }),
  deflateRaw: (secret) => ({
    headers: [...JSON_TYPE, 'Content-Encoding', 'deflate'],
    body: deflateRawSync(`{"secret":"${secret}"}`),
  }),
  brotli: (secret) => ({ headers: [...JSON_TYPE, 'Content-Encoding', 'br'], body: brotliCompressSync(`{"secret":"${secret}"}`) }),
  twice: (secret) => ({
    headers: [...JSON_TYPE, 'Content-Encoding', 'br, gzip'],
    body: gzipSync(brotliCompressSync(`{"secret":"${secret}"}`)),
  }),
  unknownCoding: (secret) => ({ headers: [...JSON_TYPE, 'Content-Encoding', 'zstd'], body: `password=${secret}` }),
  wrongCoding: (secret) => ({ headers: [...JSON_TYPE, 'Content-Encoding', 'gzip'], body: `password=${secret}` }),
  gzipFile: (secret) => ({ headers: ['Content-Type', 'application/octet-stream'], body: gzipSync(`password=${secret}`) }),
  zip: (secret) => ({ headers: ['Content-Type', 'application/zip'], body: Buffer.from(`PK\u0003\u0004\0\0${secret}`) }),
  latin1: (secret) => ({
    headers: ['Content-Type', 'text/plain; charset=iso-8859-1'],
    body: Buffer.from(`Schlüssel password=${secret} é`, 'latin1'),
  }),
  utf16: (secret) => ({
    headers: ['Content-Type', 'text/plain; charset=utf-16le'],
    body: Buffer.from(`password=${secret}`, 'utf16le'),
  }),
  utf16Unsaid: (secret) => ({
    headers: ['Content-Type', 'application/octet-stream'],
    body: Buffer.from(`password=${secret}`, 'utf16le'),
  }),
  messagePack: (secret) => ({
    headers: ['Content-Type', 'application/msgpack'],
    body: Buffer.from(`\u0081\u00a8password\u00b0\0${secret}`, 'latin1'),
  }),
  picture: (secret) => ({
    headers: ['Content-Type', 'image/png'],
    body: Buffer.concat([Buffer.alloc(50, 0x89), Buffer.from(`token=${secret}\0`)]),
  }),
  largePicture: (secret) => ({
    headers: ['Content-Type', 'image/png'],
    body: Buffer.concat([Buffer.alloc(1_300_000, 0x89), Buffer.from(`\0token=${secret}\0`), Buffer.alloc(300_000)]),
  }),
  large: (secret) => ({
    headers: ['Content-Type', 'text/plain'],
    body: `${'a line of text\n'.repeat(80_000)}password=${secret}\n`,
  }),
  tooLarge: (secret) => ({
    headers: ['Content-Type', 'text/plain'],
    body: Buffer.concat([Buffer.alloc(9_000_000, 'a line\n'), Buffer.from(secret)]),
  }),
}
const HEAVY = new Set(['largePicture', 'large', 'tooLarge'])

function jwt(secret: string): string {
  return `eyJ${Buffer.from('{"alg":"HS256"}').toString('base64url').slice(3)}.${Buffer.from(`{"sub":"${secret}"}`).toString('base64url')}.${secret}`
}

const secretValue = fc
  .string({ unit: fc.constantFrom(...'abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789'), minLength: 12, maxLength: 30 })
  .map((text) => `q7${text}`)
const lightPlace = fc.constantFrom(...Object.keys(PLACES).filter((place) => !HEAVY.has(place)))

function exchangeOf(
  asked: { place: string; secret: string },
  answered: { place: string; secret: string },
  echo: string,
): Traffic {
  const request = PLACES[asked.place]!(asked.secret)
  const answer = PLACES[answered.place]!(answered.secret)
  return {
    method: 'POST',
    target: request.target ?? '/a',
    headers: request.headers ?? [],
    ...(request.body !== undefined && { body: request.body }),
    answer: {
      headers: [...(answer.headers ?? []), 'X-Echo', echo],
      body: answer.body ?? `you said ${echo}`,
      trailers: ['x-echo', echo],
    },
  }
}

/** The forms in which a secret could be found again. */
function formsOf(secret: string): string[] {
  const base64 = [0, 1, 2].map((shift) =>
    Buffer.from('x'.repeat(shift) + secret)
      .toString('base64')
      .slice(shift === 0 ? 0 : 4, -4)
      .replace(/=+$/, ''),
  )
  return [
    secret,
    secret.toLowerCase(),
    Buffer.from(secret).toString('hex'),
    ...base64,
    Buffer.from(secret, 'utf16le').toString('latin1'),
  ]
}

/** Every text that a folder holds, also behind base64 and gzip. */
function textsIn(folder: string): { path: string; text: string }[] {
  return contentsOf(folder).flatMap(({ path, bytes }) => {
    const text = bytes.toString('latin1')
    const inner = [...text.matchAll(/"([A-Za-z0-9+/=]{8,})"/g)].flatMap(([, run = '']) => {
      const plain = Buffer.from(run, 'base64')
      return [plain.toString('latin1'), plain[0] === 0x1f && plain[1] === 0x8b ? gunzipSync(plain).toString('latin1') : '']
    })
    return [text, ...inner].map((text) => ({ path, text }))
  })
}

function expectNone(folder: string, secrets: string[], what: string): void {
  for (const { path, text } of textsIn(folder)) {
    for (const form of secrets.flatMap(formsOf)) {
      if (!text.includes(form)) continue
      const at = text.indexOf(form)
      expect.fail(`${what}: ${form} is in ${path}: …${text.slice(Math.max(at - 200, 0), at + 60)}…`)
    }
  }
}

describe.each(Object.keys(PLACES))('a secret in the place %s', (place) => {
  test.each(['request', 'answer'])('of a %s is not in any file', async (side) => {
    const folder = tempFolder()
    const secret = 'q7Secret4711value'
    const none = { place: 'query', secret: 'q7another0815value' }
    const at = { place, secret }
    await record(
      join(folder, 'a.har'),
      [side === 'request' ? exchangeOf(at, none, 'nothing') : exchangeOf(none, at, 'nothing')],
      RULES,
      50_000,
    )
    expectNone(folder, [secret, none.secret], place)
    expect(readFileSync(join(folder, 'a.har'), 'utf8')).toContain('"url": "http://billing/')
  })
})

test('secrets in any places, also where they come again unmarked, are in no file of a recording; journal included', async () => {
  const exchange = fc.tuple(lightPlace, secretValue, lightPlace, secretValue)
  await fc.assert(
    fc.asyncProperty(fc.array(exchange, { minLength: 1, maxLength: 4 }), async (list) => {
      const folder = tempFolder()
      const traffic = list.map(([asked, one, answered, two]) =>
        exchangeOf({ place: asked, secret: one }, { place: answered, secret: two }, 'nothing'),
      )
      // The secret of a header comes back, unmarked, in the answers after it.
      const known = 'q7Known4711value'
      const login: Traffic = { target: '/login', headers: ['X-Api-Key', known], answer: { headers: JSON_TYPE, body: '{}' } }
      const again: Traffic = {
        target: `/sessions/${known}/x`,
        answer: { headers: ['X-Plain', known], body: `text ${known} text` },
      }
      await record(join(folder, 'a.har'), [login, ...traffic, again], RULES)
      expectNone(folder, [known, ...list.flatMap(([, one, , two]) => [one, two])], JSON.stringify(list))
    }),
    { numRuns: 150 },
  )
}, 120_000)

test('a secret on the border of two chunks of a large picture is seen before it is written', async () => {
  for (const chunk of [21, 25, 29]) {
    const folder = tempFolder()
    const body = Buffer.alloc(2_500_000, 0x89)
    body.write('\0token=q7Secret4711\0', chunk * 65_536 - 4, 'latin1')
    await record(join(folder, 'a.har'), [{ target: '/a', answer: { headers: ['Content-Type', 'image/png'], body } }], {}, 65_536)
    expectNone(folder, ['q7Secret4711'], `chunk ${chunk}`)
    expect(readFileSync(join(folder, 'a.har'), 'utf8')).toContain('it is no text, and there is a secret in it')
  }
})

test('what is not secret stays: names, numbers, paging tokens, the shape of JSON', async () => {
  const folder = tempFolder()
  const body =
    '{ "password": "q7Secret4711", "pin": 4711, "count": 4711, "nextPageToken": "CAUQAA12345", "token": null, "n": 1.50 }'
  await record(join(folder, 'a.har'), [{ target: '/a?pageToken=CAUQAA12345', answer: { headers: JSON_TYPE, body } }])
  const text = readFileSync(join(folder, 'a.har'), 'utf8')
  const expected =
    '{ "password": "REDACTED-1", "pin": 0, "count": 4711, "nextPageToken": "CAUQAA12345", "token": null, "n": 1.50 }'
  expect(text).toContain(JSON.stringify(expected))
  expect(text).toContain('pageToken=CAUQAA12345')
  expect(text).toContain('"_redactions": [\n          "response $.password",\n          "response $.pin"\n        ]')
})

test('equal secrets of one exchange have one number', async () => {
  const folder = tempFolder()
  const token = 'q7Token4711abc'
  await record(join(folder, 'a.har'), [
    {
      target: `/a?token=q7Other0815abc`,
      headers: ['Authorization', `Bearer ${token}`],
      answer: { body: `you are ${token}`, headers: ['Set-Cookie', `s=${token}; Path=/`] },
    },
  ])
  const text = readFileSync(join(folder, 'a.har'), 'utf8')
  expect(text).toContain('"value": "Bearer REDACTED-1"')
  expect(text).toContain('token=REDACTED-2')
  expect(text).toContain('"text": "you are REDACTED-1"')
  expect(text).toContain('"value": "s=REDACTED-1; Path=/"')
})

test('secrets do not count when a request is matched, and a token that was hidden in a path fits any', async () => {
  const folder = tempFolder()
  const file = join(folder, 'a.har')
  const login: Traffic = {
    method: 'POST',
    target: '/login?api_key=q7Key4711abcd',
    headers: [...JSON_TYPE, 'Authorization', 'Bearer q7Secret4711'],
    body: '{"user":"ann","password":"q7Password1"}',
    answer: { headers: JSON_TYPE, body: '{"access_token":"q7Session4711abc"}' },
  }
  const session: Traffic = { target: '/sessions/q7Session4711abc/orders', answer: { body: 'orders' } }
  await record(file, [login, session])
  const [token, orders, other] = await replay(file, [
    { ...login, target: '/login?api_key=another-key-99', headers: JSON_TYPE, body: '{"password":"changed!","user":"ann"}' },
    { target: '/sessions/REDACTED-1/orders' },
    { ...login, body: '{"user":"bob","password":"q7Password1"}' },
  ])
  expect(played(token).body.toString()).toBe('{"access_token":"REDACTED-4"}')
  expect(played(orders).body.toString()).toBe('orders')
  expect(other).toMatchObject({ difference: ['body $.user: "bob", recorded "ann"'] })
})

test('a digest of what a body was before is not kept beside the body that was changed', async () => {
  const file = join(tempFolder(), 'a.har')
  const headers = [...JSON_TYPE, 'Content-MD5', 'abcd', 'Content-Length', '27']
  await record(file, [{ target: '/', answer: { headers, body: '{"password":"q7Secret4711"}' } }])
  const [answer] = (await replay(file, [{ target: '/' }])).map(played)
  expect(header(answer!.headers, 'content-md5')).toBeUndefined()
  expect(header(answer!.headers, 'content-length')).toBe(String(answer!.body.length))
})

test('a hostile text is gone through in time that grows with its length, not with the square of it', () => {
  const rules = compileRedaction({ headers: [], cookies: [], body: [], patterns: [] })
  const units = [
    'a',
    '%4',
    '%41',
    '<a ',
    '<a>',
    '<a><![CDATA[',
    '<![CDATA[]]>',
    'eyJ-',
    'eyJaaaaa.',
    '\\',
    '"',
    "'",
    '://',
    'a://b:',
    'a=',
    'token="',
    'token=\\"',
  ]
  units.push(
    '-----BEGIN ',
    '-----BEGIN PRIVATE KEY-----',
    '1 ',
    '4',
    'Bearer a1',
    '{',
    '[',
    '{"a":',
    '[1,',
    'A-',
    'sk-',
    'data: {',
    'a/',
    "pass '",
  )
  for (const unit of units) {
    const bytes = Buffer.from(unit.repeat(300_000 / unit.length))
    // A square would take minutes; the time limit of tests is the measure.
    for (const contentType of ['application/json', 'text/plain', 'application/x-www-form-urlencoded', 'image/png']) {
      expect(keepBody(bytes, { contentType, contentEncoding: undefined }, new Redactor(rules)).kind).not.toBe('none')
    }
  }
})

test('an element of many empty sections is gone through at once', () => {
  const rules = compileRedaction({ headers: [], cookies: [], body: [], patterns: [] })
  const bytes = Buffer.from(`<key/></x><a>${'<![CDATA[]]>'.repeat(20_000)}<b/>`)
  expect(keepBody(bytes, { contentType: 'text/xml', contentEncoding: undefined }, new Redactor(rules)).kind).toBe('text')
})

test('numbers of cards are told from other numbers by their check digit', () => {
  for (const card of ['4111111111111111', '4111 1111 1111 1111', '5555-5555-5555-4444', '378282246310005', '30569309025904'])
    expect(isCard(card), card).toBe(true)
  for (const other of ['4111111111111112', '1699999999999', '1234567890123456']) expect(isCard(other), other).toBe(false)
})

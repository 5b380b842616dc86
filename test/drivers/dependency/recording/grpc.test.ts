import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { framed } from '../../../../src/drivers/dependency/recording/grpc-messages.ts'
import { openExchange } from '../../../../src/drivers/dependency/recording/open-exchange.ts'
import { header, readAnswer, requestHead, settingOf, tempFolder, type Played, type RuleChoice } from './traffic.ts'

type Step = ['ask' | 'answer', Buffer]
const PATH = '/shop.Orders/Watch'
const OK = ['grpc-status', '0']
const HEAD = { status: 200, statusText: '', headers: ['content-type', 'application/grpc', 'grpc-encoding', 'gzip'] }

/** A field of a message whose content is a text, bytes or a message. */
const field = (number: number, content: string | Buffer): Buffer => {
  const bytes = Buffer.from(content)
  return Buffer.concat([Buffer.from([number * 8 + 2, bytes.length]), bytes])
}
const number = (at: number, value: number): Buffer => Buffer.from([at * 8, value])
const message = (...fields: Buffer[]): Buffer => Buffer.concat(fields)
const packed = (content: Buffer): Buffer => {
  const frame = framed(gzipSync(content))
  frame[0] = 1
  return frame
}

async function record(file: string, path: string, steps: Step[], rules: RuleChoice = {}, trailers = OK): Promise<void> {
  const exchange = await openExchange(settingOf(file, 'record', rules, { protocol: 'grpc' }))
  const capture = exchange.recorder!.begin({
    ...requestHead({ method: 'POST', target: path, headers: ['grpc-encoding', 'gzip'] }),
    protocol: 'grpc',
  })
  let isHeadTold = false
  for (const [side, bytes] of steps) {
    if (side === 'answer' && !isHeadTold) capture.responseHead(HEAD)
    isHeadTold ||= side === 'answer'
    for (const part of [bytes.subarray(0, 3), bytes.subarray(3)])
      await (side === 'ask' ? capture.requestData(part) : capture.responseData(part))
  }
  if (!isHeadTold) capture.responseHead(HEAD)
  capture.requestEnd([])
  capture.end(trailers)
  await exchange.close()
}

/** A call whose client asks each message when it has heard as many answers as it waits for. */
async function call(
  file: string,
  path: string,
  asks: { after: number; message: Buffer }[],
  rules: RuleChoice = {},
): Promise<Played & { messages: Buffer[] }> {
  const exchange = await openExchange(settingOf(file, 'replay', rules, { protocol: 'grpc' }))
  const messages: Buffer[] = []
  let wake = (): void => {}
  async function* client(): AsyncGenerator<Buffer> {
    for (const { after, message } of asks) {
      while (messages.length < after) await new Promise<void>((resolve) => (wake = resolve))
      yield framed(message)
    }
  }
  const head = { ...requestHead({ method: 'POST', target: path }), protocol: 'grpc' as const }
  const answer = await exchange.player!.answer(head, client(), AbortSignal.timeout(5000))
  if (!('matched' in answer)) {
    await exchange.close()
    throw new Error(JSON.stringify(await readAnswer(answer)))
  }
  for await (const part of answer.matched.body) {
    messages.push(part.subarray(5))
    wake()
  }
  await exchange.close()
  const { status, statusText, headers } = answer.matched.head
  return { status, statusText, headers, body: Buffer.concat(messages), trailers: answer.matched.trailers!(), messages }
}

test('unary calls are matched by their message, and played with head and trailers', async () => {
  const file = join(tempFolder(), 'orders.har')
  for (const id of [1, 2])
    await record(file, '/shop.Orders/Get', [
      ['ask', framed(number(1, id))],
      ['answer', packed(message(number(1, id), field(2, `order ${id}`)))],
    ])
  const got = await call(file, '/shop.Orders/Get', [{ after: 0, message: number(1, 2) }])
  expect(got.messages[0]!.equals(message(number(1, 2), field(2, 'order 2')))).toBe(true)
  expect([got.status, header(got.headers, 'content-type'), header(got.headers, 'shiv-served-by'), got.trailers]).toEqual([
    200,
    'application/grpc',
    'recording',
    OK,
  ])
  await expect(call(file, '/shop.Orders/Get', [{ after: 0, message: number(1, 3) }])).rejects.toThrow(
    'No recorded /shop.Orders/Get has these messages.',
  )
  await expect(call(file, '/shop.Orders/Delete', [])).rejects.toThrow('method /shop.Orders/Delete, recorded /shop.Orders/Get')
  expect(
    readFileSync(join(file, '..', 'orders.jsonl'), 'utf8')
      .trim()
      .split('\n'),
  ).toHaveLength(2)
})

test('a stream in both directions is played in turn; another message ends it', async () => {
  const file = join(tempFolder(), 'a.jsonl')
  await record(file, PATH, [
    ['ask', framed(field(1, 'one'))],
    ['answer', framed(field(1, 'first'))],
    ['answer', framed(field(1, 'second'))],
    ['ask', framed(field(1, 'two'))],
    ['answer', framed(field(1, 'third'))],
  ])
  const texts = (got: { messages: Buffer[] }): string[] => got.messages.map((message) => message.subarray(2).toString())
  const right = await call(file, PATH, [
    { after: 0, message: field(1, 'one') },
    { after: 2, message: field(1, 'two') },
  ])
  expect([texts(right), right.trailers]).toEqual([['first', 'second', 'third'], OK])
  const wrong = await call(file, PATH, [
    { after: 0, message: field(1, 'one') },
    { after: 2, message: field(1, 'other') },
  ])
  expect([texts(wrong), wrong.trailers]).toEqual([
    ['first', 'second'],
    ['grpc-status', '9', 'grpc-message', 'message 2 of the stream is not the recorded one'],
  ])
})

test('a call without an answer’s message: the status is in the trailers', async () => {
  const file = join(tempFolder(), 'a.jsonl')
  await record(file, PATH, [['ask', framed(field(1, 'x'))]], {}, ['grpc-status', '5', 'grpc-message', 'no such order'])
  const got = await call(file, PATH, [{ after: 0, message: field(1, 'x') }])
  expect([got.messages, got.trailers]).toEqual([[], ['grpc-status', '5', 'grpc-message', 'no such order']])
})

test('secrets of messages are told by their form and by the user’s paths, and the rest of the message stays readable', async () => {
  const file = join(tempFolder(), 'a.jsonl')
  const rules = { redact: { body: ['$.2.1'] } }
  const jwt = 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJxN1NlY3JldCJ9.q7Secret4711'
  const ask = (password: string): Buffer => message(field(1, 'ann'), field(2, message(field(1, password), number(2, 7))))
  const login = '/auth.Login/Do'
  await record(
    file,
    login,
    [
      ['ask', packed(ask('q7Password0815'))],
      ['answer', framed(message(field(1, jwt), field(3, message(field(1, 'ok')))))],
    ],
    rules,
  )
  const written = Buffer.from(
    readFileSync(file, 'utf8').replace(/"base64":"([^"]*)"/g, (_, run: string) => Buffer.from(run, 'base64').toString('latin1')),
  )
  for (const secret of ['q7Password', 'q7Secret', 'eyJhbGci']) expect(written.includes(secret), secret).toBe(false)
  const got = await call(file, login, [{ after: 0, message: ask('another one') }], rules)
  expect(got.messages[0]!.equals(message(field(1, 'REDACTED-2'), field(3, message(field(1, 'ok')))))).toBe(true)
})

test('what is no protobuf and holds a secret is left out, and the call says so', async () => {
  const file = join(tempFolder(), 'a.jsonl')
  await record(file, PATH, [
    ['ask', framed(Buffer.from('zzz password=q7Secret4711'))],
    ['answer', framed(Buffer.from('x'))],
  ])
  expect(readFileSync(file, 'utf8')).not.toContain('q7Secret')
  await expect(call(file, PATH, [{ after: 0, message: Buffer.from('zzz') }])).rejects.toThrow('was recorded without its content')
})

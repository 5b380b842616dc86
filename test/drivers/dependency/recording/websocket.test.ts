import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { constants, createDeflateRaw } from 'node:zlib'
import { expect, test } from 'vitest'
import {
  FrameReader,
  closeFrame,
  serverFrame,
  type Frame,
} from '../../../../src/drivers/dependency/recording/websocket-frames.ts'
import { openExchange } from '../../../../src/drivers/dependency/recording/open-exchange.ts'
import { header, requestHead, settingOf, tempFolder, unmatched, readAnswer, type RuleChoice } from './traffic.ts'

const HANDSHAKE = {
  target: '/live?token=q7Secret4711',
  upgrade: 'websocket',
  headers: ['Sec-WebSocket-Key', 'dGhlIHNhbXBsZSBub25jZQ==', 'Sec-WebSocket-Extensions', 'permessage-deflate'],
}
const SWITCHED = {
  status: 101,
  statusText: 'Switching Protocols',
  headers: ['Sec-WebSocket-Accept', 'other', 'Sec-WebSocket-Extensions', 'permessage-deflate', 'X-A', '1'],
}
const text = (value: string): Frame => ({ opcode: 1, data: Buffer.from(value) })

/** A frame as a client sends it. */
function clientFrame(frame: Frame, first = 0x80 | frame.opcode): Buffer {
  const plain = serverFrame(frame)
  const head = plain.subarray(0, plain.length - frame.data.length)
  head[0] = first
  head[1]! |= 0x80
  const mask = Buffer.from([1, 2, 3, 4])
  return Buffer.concat([head, mask, frame.data.map((byte, at) => byte ^ mask[at & 3]!)])
}

/** Compresses messages as permessage-deflate with one window for all of them. */
async function deflated(...messages: string[]): Promise<Buffer[]> {
  const deflate = createDeflateRaw()
  const results: Buffer[] = []
  for (const message of messages) {
    const parts: Buffer[] = []
    deflate.on('data', (part: Buffer) => parts.push(part))
    deflate.write(message)
    await new Promise<void>((done) => deflate.flush(constants.Z_SYNC_FLUSH, done))
    deflate.removeAllListeners('data')
    results.push(Buffer.concat(parts).subarray(0, -4))
  }
  return results
}

async function recordTalk(file: string, talk: ['send' | 'receive', Buffer][], upgrade = 'websocket'): Promise<void> {
  const exchange = await openExchange(settingOf(file, 'record'))
  const capture = exchange.recorder!.begin(requestHead({ ...HANDSHAKE, upgrade }))
  capture.responseHead(SWITCHED)
  for (const [type, bytes] of talk) {
    // Torn anywhere: the first byte comes alone.
    for (const part of [bytes.subarray(0, 1), bytes.subarray(1)]) {
      if (type === 'send') await capture.requestData(part)
      else await capture.responseData(part)
    }
  }
  capture.requestEnd([])
  capture.end([])
  await exchange.close()
}

/** A client that says one thing after the other, each when it has heard what it waits for. */
async function talkTo(
  file: string,
  says: { after: number; bytes: Buffer }[],
  rules: RuleChoice = {},
): Promise<{ head: readonly string[]; heard: Frame[] }> {
  const exchange = await openExchange(settingOf(file, 'replay', rules))
  const heard: Frame[] = []
  let wake = (): void => {}
  async function* client(): AsyncGenerator<Buffer> {
    for (const { after, bytes } of says) {
      while (heard.length < after) await new Promise<void>((resolve) => (wake = resolve))
      yield bytes
    }
  }
  const answer = await exchange.player!.answer(
    requestHead({ ...HANDSHAKE, target: '/live?token=another' }),
    client(),
    AbortSignal.timeout(5000),
  )
  if (!('matched' in answer)) throw new Error(JSON.stringify(answer))
  const reader = new FrameReader()
  for await (const part of answer.matched.body) {
    heard.push(...reader.add(part))
    wake()
  }
  await exchange.close()
  return { head: answer.matched.head.headers, heard }
}

const TALK: ['send' | 'receive', Buffer][] = [
  ['receive', serverFrame(text('{"hello":1}'))],
  ['send', clientFrame(text('{"login":"ann","password":"q7Secret4711"}'))],
  ['receive', serverFrame({ opcode: 9, data: Buffer.from('ping') })],
  [
    'send',
    Buffer.concat([
      clientFrame({ opcode: 10, data: Buffer.from('ping') }),
      clientFrame({ opcode: 2, data: Buffer.from([1, 2, 0]) }),
    ]),
  ],
  ['receive', serverFrame(text('x'.repeat(70_000)))],
  ['send', Buffer.concat([clientFrame(text('par'), 0x01), clientFrame(text('ted'), 0x80)])],
  ['receive', serverFrame(closeFrame(1000, 'bye'))],
]

test('a conversation is recorded as the messages of Chrome’s HAR, without secrets, and played in turn', async () => {
  const file = join(tempFolder(), 'a.har')
  await recordTalk(file, TALK)
  const { log } = JSON.parse(readFileSync(file, 'utf8')) as { log: { entries: { _webSocketMessages: unknown[] }[] } }
  expect(log.entries[0]!._webSocketMessages).toEqual([
    { type: 'receive', time: 0, opcode: 1, data: '{"hello":1}' },
    { type: 'send', time: 0, opcode: 1, data: '{"login":"ann","password":"REDACTED-1"}' },
    { type: 'send', time: 0, opcode: 2, data: 'AQIA' },
    { type: 'receive', time: 0, opcode: 1, data: 'x'.repeat(70_000) },
    { type: 'send', time: 0, opcode: 1, data: 'parted' },
    { type: 'receive', time: 0, opcode: 8, data: '1000 bye' },
  ])
  const { head, heard } = await talkTo(file, [
    { after: 1, bytes: clientFrame(text('{"password":"other","login":"ann"}')) },
    { after: 1, bytes: clientFrame({ opcode: 9, data: Buffer.from('?') }) },
    { after: 2, bytes: clientFrame({ opcode: 2, data: Buffer.from([1, 2, 0]) }) },
    { after: 3, bytes: clientFrame(text('parted')) },
  ])
  expect(heard.map(({ opcode, data }) => [opcode, data.length])).toEqual([
    [1, 11],
    [10, 1],
    [1, 70_000],
    [8, 5],
  ])
  expect(header(head, 'sec-websocket-accept')).toBe('s3pPLMBiTxaQ9kYGzzhZRbK+xOo=')
  expect(header(head, 'sec-websocket-extensions')).toBeUndefined()
  expect([header(head, 'x-a'), header(head, 'shiv-served-by')]).toEqual(['1', 'recording'])
})

test('another message than the recorded one closes the conversation with 1008', async () => {
  const file = join(tempFolder(), 'a.har')
  await recordTalk(file, TALK)
  const { heard } = await talkTo(file, [{ after: 1, bytes: clientFrame(text('{"login":"bob","password":"x"}')) }])
  expect(heard.at(-1)!.data.readUInt16BE()).toBe(1008)
  expect(heard.at(-1)!.data.subarray(2).toString()).toBe('message 1 is not the recorded one')
  const ignoring = await talkTo(file, [{ after: 1, bytes: clientFrame(text('{"login":"bob","password":"x"}')) }], {
    ignore: { body: ['$.login'] },
  })
  expect(ignoring.heard).toHaveLength(1)
})

test('compressed messages are recorded as they were before', async () => {
  const file = join(tempFolder(), 'a.har')
  const [one, two] = await deflated('{"token":"q7Secret4711","n":1}', '{"token":"q7Secret4711","n":2}')
  expect(two!.length).toBeLessThan(one!.length)
  const compressed = (data: Buffer): Buffer => {
    const frame = serverFrame({ opcode: 1, data })
    frame[0]! |= 0x40
    return frame
  }
  await recordTalk(file, [
    ['receive', compressed(one!)],
    ['receive', compressed(two!)],
  ])
  const content = readFileSync(file, 'utf8')
  expect(content).toContain(String.raw`"data": "{\"token\":\"REDACTED-1\",\"n\":2}"`)
  expect(content).not.toContain('q7Secret')
})

test('another protocol, and bytes that are none of a WebSocket, are named and not written', async () => {
  const folder = tempFolder()
  await recordTalk(join(folder, 'a.har'), [['send', Buffer.from('raw q7Secret4711 bytes')]], 'raw-protocol')
  await recordTalk(join(folder, 'b.har'), [['send', Buffer.from('zzzz q7Secret4711')]])
  for (const [name, why] of [
    ['a', 'what follows an upgrade to raw-protocol is not recorded'],
    ['b', 'the bytes are not those of a WebSocket'],
  ]) {
    const content = readFileSync(join(folder, `${name}.har`), 'utf8')
    expect(content).toContain(why)
    expect(content).not.toContain('q7Secret')
  }
  const exchange = await openExchange(settingOf(join(folder, 'b.har'), 'replay'))
  async function* silent(): AsyncGenerator<Buffer> {}
  const answer = await exchange.player!.answer(requestHead(HANDSHAKE), silent(), AbortSignal.timeout(5000))
  expect(unmatched(await readAnswer(answer)).message).toContain(
    'was recorded without its content: the bytes are not those of a WebSocket',
  )
  await exchange.close()
})

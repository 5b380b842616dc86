import { execa } from 'execa'
import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { openRedisDependency } from '../../../src/drivers/dependency/redis/open-redis.ts'
import { checkRecording, mergeRecordings } from '../../../src/drivers/dependency/recording/maintain.ts'
import { createRespReader, type RespValue } from '../../../src/drivers/dependency/redis/read-resp.ts'
import { commandRequest } from '../../../src/drivers/dependency/redis/requests.ts'
import { ask, encode } from '../../../src/drivers/redis/resp.ts'
import { rulesOf, tempFolder, type RuleChoice } from './recording/traffic.ts'
import { createCutRelay, type CutRelay } from './support/cut-relay.ts'
import { startRedis, type TestServer } from './support/servers.ts'
import { type Opened, openFor, READ_ONLY, READ_WRITE, settingOf } from './support/setting.ts'
import { until } from './support/until.ts'

const PASSWORD = 'redis-secret'
const SESSION = 'sess:7f83b1657ff1fc53b92dc18148a1d65d'
const SECRET = 'q7Secret4711value'
let server: TestServer
let network: CutRelay
let owner: Socket
const never = new AbortController().signal
beforeAll(async () => {
  server = await startRedis(PASSWORD)
  owner = connect(server.port, '127.0.0.1')
  await ask(owner, ['AUTH', PASSWORD], never)
  for (const words of [
    ['SET', 'greeting', 'hello'],
    ['SET', 'bytes', '\u0000\u0001é'],
    ['RPUSH', 'list', '3', '1', '2'],
    ['HSET', 'user:1', 'name', 'ada', 'password', SECRET],
    ['HSET', 'plain', 'a', '1', 'b', '2'],
    ['ZADD', 'scores', '1.5', 'ada', '2', 'grace'],
    ['SADD', 'set', 'x'],
    ['SET', 'api:token', SECRET],
    ['SET', SESSION, 'a session'],
    ['XADD', 'stream', '1-1', 'n', '1'],
  ])
    await ask(owner, words, never)
})
beforeEach(async () => {
  network = await createCutRelay({ host: '127.0.0.1', port: server.port })
})
afterAll(async () => {
  owner.destroy()
  await server.end()
})

const opened: Opened[] = []
const sockets: Socket[] = []
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  await Promise.all(opened.splice(0).map(({ dependency }) => dependency.close()))
  await network.close()
})

type Choice = RuleChoice & { access?: typeof READ_ONLY | typeof READ_WRITE; recordMissing?: boolean; password?: string }

function settingFor(mode: 'record' | 'replay', file: string, choice: Choice = {}) {
  const { access = READ_ONLY, recordMissing = false, password, ...rules } = choice
  const setting = settingOf('redis', `redis://127.0.0.1:${network.port}`, {
    name: 'cache',
    mode,
    access,
    recording: { file, rules: rulesOf(rules), recordMissing },
    ...(password !== undefined && { clientPassword: password }),
    upstream: { label: 'staging (cache)', credentials: async () => ({ user: 'default', password: PASSWORD }) },
  })
  if (mode === 'replay' && !recordMissing) delete setting.upstream
  return setting
}
const open = async (mode: 'record' | 'replay', file: string, choice: Choice = {}): Promise<Opened> => {
  const one = await openFor(openRedisDependency, settingFor(mode, file, choice))
  opened.push(one)
  return one
}
const close = async (one: Opened): Promise<void> => {
  opened.splice(opened.indexOf(one), 1)
  await one.dependency.close()
}
const dial = ({ dependency }: Opened): Socket => {
  const socket = connect(dependency.port, '127.0.0.1').on('error', () => undefined)
  sockets.push(socket)
  return socket
}
/** All commands in one piece, as a pipeline; the answers as they are on the wire. */
const pipeline = async (socket: Socket, commands: string[][]): Promise<RespValue[]> => {
  const answers: RespValue[] = []
  const read = createRespReader((value) => answers.push(value), { longest: 100_000_000 })
  socket.on('data', read)
  socket.write(Buffer.concat(commands.map((words) => encode(words))))
  await until(() => answers.length >= commands.length, `${commands.length} answers, so far ${answers.length}`)
  socket.off('data', read)
  return answers
}
const textOf = ({ text, items }: RespValue): unknown => (items ? items.map(textOf) : (text?.toString() ?? null))
const one = async (socket: Socket, ...words: string[]): Promise<unknown> => textOf((await pipeline(socket, [words]))[0]!)

const recordAndReplay = async (commands: string[][], choice: Choice = {}) => {
  const file = join(tempFolder(), 'cache.jsonl')
  await network.heal()
  const recording = await open('record', file, choice)
  const recorded = await pipeline(dial(recording), commands)
  await close(recording)
  await network.cut('refuse')
  const replay = await open('replay', file, choice)
  const played = await pipeline(dial(replay), commands)
  return { recorded, played, file, replay }
}

const READS = [
  ['PING'],
  ['PING', 'hi'],
  ['ECHO', 'there'],
  ['GET', 'greeting'],
  ['get', 'greeting'],
  ['GET', 'none'],
  ['GET', 'bytes'],
  ['GET', SESSION],
  ['LRANGE', 'list', '0', '-1'],
  ['LRANGE', 'none', '0', '-1'],
  ['HGETALL', 'plain'],
  ['HMGET', 'plain', 'a', 'none', 'b'],
  ['ZRANGE', 'scores', '0', '-1', 'WITHSCORES'],
  ['ZSCORE', 'scores', 'ada'],
  ['SMEMBERS', 'set'],
  ['XRANGE', 'stream', '-', '+'],
  ['XREAD', 'COUNT', '1', 'STREAMS', 'stream', '9'],
  ['SCAN', '0', 'MATCH', 'gree*', 'COUNT', '1000'],
  ['TYPE', 'list'],
  ['EXISTS', 'greeting', 'none'],
  ['LLEN', 'greeting'],
  ['GET'],
  ['SELECT', '1'],
  ['GET', 'greeting'],
  ['SELECT', '0'],
  ['GET', 'greeting'],
  ['MULTI'],
  ['GET', 'greeting'],
  ['HGETALL', 'plain'],
  ['EXEC'],
  ['MULTI'],
  ['GET', 'greeting'],
  ['DISCARD'],
  ['EXEC'],
  ['WATCH', 'greeting'],
  ['UNWATCH'],
  ['CLIENT', 'SETNAME', 'me'],
  ['CLIENT', 'GETNAME'],
  ['EVAL_RO', 'return {1, {2, redis.call("get", KEYS[1])}, false}', '1', 'greeting'],
]

test.each([
  ['RESP2', []],
  ['RESP3', [['HELLO', '3']]],
])(
  'whatever is asked with the server is answered the same without it, in one pipeline, in %s',
  async (_name, hello: string[][]) => {
    const { recorded, played, file, replay } = await recordAndReplay([...hello, ...READS])
    const withoutId = (answers: RespValue[]): RespValue[] => {
      const items = hello.length > 0 ? answers[0]?.items : undefined
      if (items) items.splice(items.findIndex(({ text }) => text?.toString() === 'id') + 1, 1)
      return answers
    }
    expect(withoutId(played)).toEqual(withoutId(recorded))
    expect(await checkRecording(file)).toEqual([])
    expect(replay.events.every(({ servedBy, outcome }) => servedBy === 'recording' && outcome === 'answered')).toBe(true)
  },
)

test('writes that may pass are recorded in their order, and each answer comes when it came', async () => {
  const write = ['1', '2', '3'].flatMap((value) => [
    ['INCR', 'counter'],
    ['SET', 'of', value],
    ['GET', 'of'],
  ])
  const { recorded, played } = await recordAndReplay([...write, ['MULTI'], ['INCR', 'counter'], ['DEL', 'of'], ['EXEC']], {
    access: READ_WRITE,
    order: 'ordered',
  })
  expect(played).toEqual(recorded)
  expect(played.map(textOf).slice(0, 9)).toEqual(['1', 'OK', '1', '2', 'OK', '2', '3', 'OK', '3'])
})

test('what was not recorded is refused with the nearest and its difference, and the connection goes on', async () => {
  const { file } = await recordAndReplay([
    ['GET', 'greeting'],
    ['HGET', 'plain', 'a'],
  ])
  const replay = await open('replay', file)
  const socket = dial(replay)
  expect(await one(socket, 'GET', 'greetings')).toBe(
    'UNRECORDED No recorded command is GET greetings. nearest: GET greeting; command: GET greetings; recorded: GET greeting shiv proxy mode cache record',
  )
  expect(await one(socket, 'MULTI')).toBe('OK')
  expect(await one(socket, 'GET', 'greeting')).toBe('QUEUED')
  expect(await one(socket, 'EXEC')).toMatch(/^UNRECORDED No recorded command is MULTI; GET greeting; EXEC\./)
  expect(await one(socket, 'GET', 'greeting')).toBe('hello')
  expect(replay.events.filter(({ outcome }) => outcome === 'refused').map(({ servedBy, status }) => [servedBy, status])).toEqual([
    ['nobody', 'UNRECORDED'],
    ['nobody', 'UNRECORDED'],
  ])
})

test('secrets are in no recording: by field, by key and by form; keys that look made by a machine are not shown', async () => {
  const { played, file } = await recordAndReplay(
    [
      ['HGETALL', 'user:1'],
      ['HGET', 'user:1', 'password'],
      ['HMGET', 'user:1', 'name', 'password'],
      ['GET', 'api:token'],
      ['MGET', 'greeting', 'api:token'],
      ['CONFIG', 'GET', 'requirepass'],
      ['ACL', 'LIST'],
      ['SET', 'new:token', SECRET],
      ['HSET', 'user:2', 'password', SECRET],
      ['SETEX', 'other:secret', '60', SECRET],
      ['GET', SESSION],
      ['MULTI'],
      ['HGET', 'user:1', 'password'],
      ['GET', 'greeting'],
      ['EXEC'],
    ],
    { access: READ_WRITE },
  )
  const text = readFileSync(file, 'utf8')
  for (const secret of [SECRET, PASSWORD, '7f83b1657', '4711']) expect(text.includes(secret), secret).toBe(false)
  expect(played.map(textOf).slice(0, 3)).toEqual([['name', 'ada', 'password', 'REDACTED-1'], 'REDACTED-1', ['ada', 'REDACTED-1']])
  expect(text).toContain('"command":"HGETALL user:1"')
  expect(textOf(played.at(-1)!)).toEqual(['REDACTED-1', 'hello'])
})

test('messages that nobody asked for are left out, and say so; the guard holds while it is recorded', async () => {
  const file = join(tempFolder(), 'cache.jsonl')
  const recording = await open('record', file)
  const [refused] = await pipeline(dial(recording), [['SET', 'greeting', 'gone']])
  expect(textOf(refused!)).toMatch(/^READONLY/)
  await pipeline(dial(recording), [['SUBSCRIBE', 'news']])
  await close(recording)
  expect(await ask(owner, ['GET', 'greeting'], never)).toBe('hello')
  const text = readFileSync(file, 'utf8')
  expect(text).not.toContain('shiv_refused')
  expect(text).not.toContain('SET greeting')
  await network.cut('refuse')
  const socket = dial(await open('replay', file))
  expect(await one(socket, 'SUBSCRIBE', 'news')).toMatch(/^UNRECORDED messages that nobody asked for one by one are not recorded/)
})

test('a recording is the same file again, whatever the order; two are merged', async () => {
  const folder = tempFolder()
  const at = (name: string): string => join(folder, `${name}.jsonl`)
  const record = async (file: string, commands: string[][]): Promise<void> => {
    const recording = await open('record', file)
    await pipeline(dial(recording), [['HELLO', '2'], ...commands])
    await pipeline(dial(recording), [['HELLO', '2'], ...commands])
    await close(recording)
  }
  const reads = [
    ['GET', 'greeting'],
    ['HGETALL', 'plain'],
    ['GET', SESSION],
  ]
  await record(at('a'), reads)
  await record(at('b'), reads.toReversed())
  expect(readFileSync(at('b'), 'utf8')).toBe(readFileSync(at('a'), 'utf8'))
  await record(at('c'), [['LLEN', 'list']])
  await mergeRecordings([at('a'), at('c')], at('ac'))
  await mergeRecordings([at('c'), at('b')], at('cb'))
  expect(readFileSync(at('cb'), 'utf8')).toBe(readFileSync(at('ac'), 'utf8'))
})

test('what is missing is asked of the server, once; writes stay refused', async () => {
  const file = join(tempFolder(), 'cache.jsonl')
  const first = await open('record', file)
  await pipeline(dial(first), [['GET', 'greeting']])
  await close(first)
  const both = await open('replay', file, { recordMissing: true })
  const before = network.attempts
  const socket = dial(both)
  expect(await one(socket, 'GET', 'greeting')).toBe('hello')
  expect(both.events.at(-1)).toMatchObject({ servedBy: 'recording' })
  expect(await one(socket, 'LRANGE', 'list', '0', '-1')).toEqual(['3', '1', '2'])
  expect(both.events.at(-1)).toMatchObject({ servedBy: 'upstream' })
  expect(await one(socket, 'SET', 'greeting', 'gone')).toMatch(/^READONLY/)
  expect((await pipeline(socket, [['MULTI'], ['GET', 'greeting'], ['LLEN', 'list'], ['EXEC']])).map(textOf).at(-1)).toEqual([
    'hello',
    '3',
  ])
  expect(
    (
      await pipeline(socket, [
        ['HELLO', '3'],
        ['HGETALL', 'plain'],
      ])
    ).at(-1),
  ).toMatchObject({ type: '%' })
  await close(both)
  expect(network.attempts).toBeGreaterThan(before)
  expect(await ask(owner, ['GET', 'greeting'], never)).toBe('hello')

  await network.cut('refuse')
  const later = dial(await open('replay', file))
  const answers = await pipeline(later, [
    ['LRANGE', 'list', '0', '-1'],
    ['MULTI'],
    ['GET', 'greeting'],
    ['LLEN', 'list'],
    ['EXEC'],
  ])
  expect(answers.map(textOf)).toEqual([['3', '1', '2'], 'OK', 'QUEUED', 'QUEUED', ['hello', '3']])
})

test('a client is let in by the password of the run alone, by AUTH and by HELLO; redis-cli speaks with it', async () => {
  const choice = { password: 'password-of-the-run' }
  const file = join(tempFolder(), 'cache.jsonl')
  const cli = async ({ dependency }: Opened, ...words: string[]): Promise<string> =>
    (
      await execa('redis-cli', ['-p', String(dependency.port), '--no-auth-warning', '-a', choice.password, ...words], {
        timeout: 20_000,
      })
    ).stdout
  const recording = await open('record', file, choice)
  const recorded = [await cli(recording, 'HGETALL', 'plain'), await cli(recording, '-3', 'HGETALL', 'plain')]
  await close(recording)
  await network.cut('refuse')
  const replay = await open('replay', file, choice)
  expect([await cli(replay, 'HGETALL', 'plain'), await cli(replay, '-3', 'HGETALL', 'plain')]).toEqual(recorded)
  const socket = dial(replay)
  expect(await one(socket, 'GET', 'greeting')).toMatch(/^NOAUTH/)
  expect(await one(socket, 'HELLO', '3', 'AUTH', 'default', 'guessed')).toMatch(/^WRONGPASS/)
  expect(await one(socket, 'AUTH', choice.password)).toBe('OK')
})

test('large values and ten thousand elements come through as they were; bytes may come one by one', async () => {
  const large = 'y'.repeat(3_000_000)
  await ask(owner, ['SET', 'large', large], never)
  await ask(owner, ['RPUSH', 'many', ...Array.from({ length: 10_000 }, (_, at) => `n${at}`)], never)
  const { recorded, played, replay } = await recordAndReplay([
    ['GET', 'large'],
    ['LRANGE', 'many', '0', '-1'],
    ['GET', 'greeting'],
  ])
  expect(played.map(textOf)).toEqual(recorded.map(textOf))
  expect(textOf(played[0]!)).toBe(large)
  const socket = dial(replay)
  const answers: RespValue[] = []
  const read = createRespReader((value) => answers.push(value), { longest: 100_000_000 })
  socket.on('data', read).setNoDelay(true)
  for (const byte of encode(['GET', 'greeting'])) socket.write(Buffer.from([byte]))
  socket.write('get greeting\r\n')
  await until(() => answers.length === 2, 'both answers')
  expect(answers.map(textOf)).toEqual(['hello', 'hello'])
})

test('a client that sends what is none of the protocol ends its own connection and no other', async () => {
  const { file } = await recordAndReplay([['GET', 'greeting']])
  const replay = await open('replay', file)
  const good = dial(replay)
  for (const bytes of ['GET / HTTP/1.1\r\nHost: x\r\n\r\n', '*1\r\n$x\r\n', '*99999999999\r\n', '*2\r\n:1\r\n']) {
    const socket = dial(replay)
    socket.write(bytes)
    if (bytes.startsWith('*2')) socket.end()
    await new Promise((resolve) => socket.once('close', resolve).resume())
  }
  expect(await one(good, 'GET', 'greeting')).toBe('hello')
})

test('members, and words of commands that are not known, are compared and not shown', () => {
  const state = { protocol: 2, database: undefined }
  const shown = (...words: string[]): string =>
    commandRequest(
      words.map((word) => Buffer.from(word)),
      state,
    ).command
  expect(shown('SENTINEL', 'SET', 'mymaster', 'auth-pass', 'hunter2')).toBe('SENTINEL ? ? ? ?')
  expect(shown('HSETEX', 'user:1', 'FIELDS', '1', 'password', 'hunter2')).toBe('HSETEX ? ? ? ? ?')
  expect(shown('ZSCORE', 'scores', 'ada')).toBe('ZSCORE scores ?')
  expect(shown('ZRANK', 'scores', 'ada')).toBe('ZRANK scores ?')
  expect(shown('ZRANGE', 'scores', '0', '-1', 'WITHSCORES')).toBe('ZRANGE scores 0 -1 WITHSCORES')
  expect(shown('CONFIG', 'GET', 'maxmemory')).toBe('CONFIG GET maxmemory')
  const [, , , secret] = commandRequest(
    ['SENTINEL', 'SET', 'm', 'auth-pass', 'hunter2'].map((word) => Buffer.from(word)),
    state,
  ).parameters
  expect(secret, 'the hash would have been made of a password').toMatchObject({ name: 'password' })
})

test('many small values count as what they take, and little of them is kept', () => {
  const answers: { value: RespValue; isLong: boolean }[] = []
  const read = createRespReader((value, isLong) => answers.push({ value, isLong }), { longest: 64 * 1_000 })
  read(Buffer.from(`*900\r\n${':1\r\n'.repeat(900)}*2\r\n*2000\r\n${':1\r\n'.repeat(2_000)}$1\r\na\r\n+OK\r\n`))
  expect(
    answers.map(({ isLong }) => isLong),
    'small values were not counted',
  ).toEqual([false, true, false])
  expect(answers[0]!.value.items).toHaveLength(900)
  expect(answers[1]!.value.items, 'what is too long was kept').toEqual([])
})

test('an answer that is too long is no answer to what comes after it', async () => {
  await ask(owner, ['SETRANGE', 'long', String(65 * 1024 * 1024), 'x'], never)
  const both = await open('replay', join(tempFolder(), 'cache.jsonl'), { recordMissing: true })
  const socket = dial(both)
  expect(await one(socket, 'GET', 'long')).toMatch(/more than 67108864 bytes/)
  expect(await one(socket, 'GET', 'greeting'), 'the connection to the server was of no use any more').toBe('hello')
  await ask(owner, ['DEL', 'long'], never)
})

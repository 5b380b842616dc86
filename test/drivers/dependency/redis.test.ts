import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ask, encode } from '../../../src/drivers/redis/resp.ts'
import { openRedisDependency } from '../../../src/drivers/dependency/redis/open-redis.ts'
import { createCutRelay } from './support/cut-relay.ts'
import { startRedis, type TestServer } from './support/servers.ts'
import { holdForTests } from './support/opened.ts'
import { type Opened, openFor, READ_WRITE, settingOf } from './support/setting.ts'
import { until } from './support/until.ts'

const PASSWORD = 'redis-secret'
let server: TestServer
let owner: Socket
const never = new AbortController().signal
beforeAll(async () => {
  server = await startRedis(PASSWORD)
  owner = connect(server.port, '127.0.0.1')
  await ask(owner, ['AUTH', PASSWORD], never)
  await ask(owner, ['SET', 'greeting', 'hello'], never)
  await ask(owner, ['RPUSH', 'list', '3', '1', '2'], never)
})
afterAll(async () => {
  owner.destroy()
  await server.end()
})

const { keep, dial } = holdForTests()

const open = async (more: Parameters<typeof settingOf>[2] = {}): Promise<Opened> => {
  const upstream = {
    label: 'staging (cache)',
    credentials: async () => ({ user: 'default', password: PASSWORD }),
    ...more.upstream,
  }
  return keep(
    await openFor(
      openRedisDependency,
      settingOf('redis', `redis://127.0.0.1:${server.port}`, { ...more, name: 'cache', upstream }),
    ),
  )
}
/** Sends bytes as they are, and gives what came back once it is as long or `done` holds. */
const exchange = async (socket: Socket, bytes: string | Buffer, done: (answer: string) => boolean): Promise<string> => {
  let answer = ''
  const collect = (chunk: Buffer): void => void (answer += chunk.toString('latin1'))
  socket.on('data', collect)
  socket.write(bytes)
  await until(() => done(answer), `the answer is whole; so far it is ${JSON.stringify(answer)}`).finally(() =>
    socket.off('data', collect),
  )
  return answer
}
const linesOf = (answer: string): string[] => answer.split('\r\n').filter((line) => line !== '')
const snapshot = async (): Promise<string> => {
  const keys = ((await ask(owner, ['KEYS', '*'], never)) as string[]).toSorted()
  const values = await Promise.all(keys.map(async (key) => [key, await ask(owner, ['OBJECT', 'ENCODING', key], never)]))
  return JSON.stringify([
    values,
    await ask(owner, ['GET', 'greeting'], never),
    await ask(owner, ['LRANGE', 'list', '0', '-1'], never),
  ])
}

test('a service without a password of staging reads there', async () => {
  const one = await open()
  const socket = dial(one)
  expect(await ask(socket, ['AUTH', 'anything'], never)).toBe('OK')
  expect(await ask(socket, ['GET', 'greeting'], never)).toBe('hello')
  expect(await ask(socket, ['LRANGE', 'list', '0', '-1'], never)).toEqual(['3', '1', '2'])
  await until(() => one.events.length === 2, 'both commands are told')
  expect(one.events.map(({ summary, outcome, servedBy }) => [summary, outcome, servedBy])).toEqual([
    ['GET', 'answered', 'upstream'],
    ['LRANGE', 'answered', 'upstream'],
  ])
  expect(one.dependency.health()).toMatchObject({ state: 'ready', refused: 0, failed: 0, openConnections: 1 })
})

test('a write is refused at its place in a pipeline, whether it comes whole, byte by byte or inline', async () => {
  const one = await open()
  const pipeline = Buffer.concat([
    encode(['GET', 'greeting']),
    encode(['SET', 'greeting', 'x'.repeat(100_000)]),
    Buffer.from('DEL greeting\r\n'),
    encode(['STRLEN', 'greeting']),
    Buffer.from('ECHO inline\r\n'),
  ])
  const whole = await exchange(dial(one), pipeline, (answer) => answer.endsWith('inline\r\n'))
  const lines = linesOf(whole)
  expect(lines[0]).toBe('$5')
  expect(lines[1]).toBe('hello')
  expect(lines[2]).toMatch(
    /^-READONLY shiv refused SET: staging \(cache\) is read-only here, and its server says that it writes\./,
  )
  expect(lines[3]).toMatch(/^-READONLY shiv refused DEL:/)
  expect(lines.slice(4)).toEqual([':5', '$6', 'inline'])

  const slow = dial(one)
  slow.setNoDelay(true)
  const small = Buffer.concat([encode(['GET', 'greeting']), encode(['SET', 'greeting', 'xyz']), encode(['STRLEN', 'greeting'])])
  const answer = exchange(slow, '', (text) => text.endsWith(':5\r\n'))
  for (const byte of small) {
    slow.write(Buffer.of(byte))
    await new Promise((resolve) => setImmediate(resolve))
  }
  expect(linesOf(await answer)[2]).toMatch(/^-READONLY shiv refused SET/)
  expect(await ask(owner, ['GET', 'greeting'], never)).toBe('hello')
})

test('every command that the server says writes is refused, and whatever is neither a read nor harmless', async () => {
  const one = await open()
  const socket = dial(one)
  const before = await snapshot()
  const table = (await ask(owner, ['COMMAND'], never)) as [string, number, string[], ...unknown[]][]
  const commands = table.flatMap((entry) => [entry, ...((entry[9] as typeof table | undefined) ?? [])])
  const writes = commands.filter(([, , flags]) => flags.includes('write')).map(([name]) => name)
  expect(writes.length).toBeGreaterThan(100)
  const others = `eval evalsha fcall script|load script|flush script|kill function|load function|flush function|restore function|delete
    function|kill config|set config|rewrite config|resetstat flushall flushdb debug shutdown replicaof slaveof failover client|kill client|pause
    client|unpause client|unblock client|no-such acl|setuser acl|deluser acl|load acl|save acl|getuser acl|list acl|log migrate restore cluster|reset
    cluster|addslots cluster|failover cluster|forget monitor publish spublish save bgsave bgrewriteaof sync psync replconf memory|purge
    latency|reset slowlog|reset module|load module|unload swapdb move sort georadius georadiusbymember getex bitfield reset no-such-command`
  for (const name of new Set([...writes, ...others.split(/\s+/)])) {
    const words = name.split('|')
    const answer = await ask(socket, [...words, 'greeting', '1', '2', '3'], never).catch((error: Error) => error)
    expect(answer, `${name} was let through`).toBeInstanceOf(Error)
    expect((answer as Error).message, name).toMatch(name === 'reset' ? /^ERR RESET would/ : /^READONLY shiv refused/)
  }
  for (const words of [
    ['CONFIG', 'GET', 'requirepass'],
    ['CONFIG', 'GET', '*'],
    ['CONFIG', 'GET', 'maxmemory', 'masterauth'],
  ]) {
    await expect(ask(socket, words, never), words.join(' ')).rejects.toThrow('READONLY')
  }
  expect(await ask(socket, ['config', 'get', 'maxmemory'], never)).toEqual(['maxmemory', '0'])
  expect(await ask(socket, ['SORT_RO', 'list'], never)).toEqual(['1', '2', '3'])
  expect(await ask(socket, ['EVAL_RO', 'return redis.call("GET", KEYS[1])', '1', 'greeting'], never)).toBe('hello')
  await expect(ask(socket, ['EVAL_RO', 'return redis.call("DEL", KEYS[1])', '1', 'greeting'], never)).rejects.toThrow(
    /read-only/i,
  )
  expect(await snapshot()).toBe(before)
})

test('a refused write fails a MULTI as an unknown command does, and leaves the next one alone', async () => {
  const socket = dial(await open())
  expect(await ask(socket, ['MULTI'], never)).toBe('OK')
  expect(await ask(socket, ['GET', 'greeting'], never)).toBe('QUEUED')
  await expect(ask(socket, ['INCR', 'n'], never)).rejects.toThrow('READONLY')
  await expect(ask(socket, ['EXEC'], never)).rejects.toThrow('EXECABORT')
  await ask(socket, ['MULTI'], never)
  await ask(socket, ['GET', 'greeting'], never)
  expect(await ask(socket, ['EXEC'], never)).toEqual(['hello'])
})

test('RESP3, pushes and subscriptions pass; HELLO loses its password on the way', async () => {
  const one = await open()
  const socket = dial(one)
  const hello = await exchange(socket, encode(['HELLO', '3', 'AUTH', 'me', 'mine', 'SETNAME', 'svc']), (answer) =>
    answer.includes('modules'),
  )
  expect(hello).toMatch(/^%7\r\n/)
  const got = await exchange(
    socket,
    Buffer.concat([encode(['CLIENT', 'GETNAME']), encode(['SUBSCRIBE', 'news']), encode(['DEL', 'greeting']), encode(['PING'])]),
    (answer) => answer.includes('+PONG'),
  )
  expect(got).toContain('$3\r\nsvc\r\n')
  expect(got).toMatch(/>3\r\n\$9\r\nsubscribe\r\n\$4\r\nnews\r\n:1\r\n-READONLY shiv refused DEL/)
  const news = exchange(socket, '', (answer) => answer.includes('it is noon'))
  await ask(owner, ['PUBLISH', 'news', 'it is noon'], never)
  expect(await news).toContain('>3\r\n$7\r\nmessage')
})

test('with a password for clients, nothing passes before it was said', async () => {
  const one = await open({ clientPassword: 'local-only' })
  const socket = dial(one)
  await expect(ask(socket, ['GET', 'greeting'], never)).rejects.toThrow('NOAUTH')
  await expect(ask(socket, ['AUTH', PASSWORD], never)).rejects.toThrow('WRONGPASS')
  await expect(ask(socket, ['GET', 'greeting'], never)).rejects.toThrow('NOAUTH')
  expect(await ask(socket, ['AUTH', 'default', 'local-only'], never)).toBe('OK')
  expect(await ask(socket, ['GET', 'greeting'], never)).toBe('hello')
})

test('what Redis would read in another way than shiv ends the connection', async () => {
  const one = await open()
  for (const bytes of [
    '"\\x53ET" greeting x\r\n',
    'GET greeting\0SET greeting x\r\n',
    '*2\r$3\r\nGET\r\n$8\r\ngreeting\r\n',
    '*1\r\n:3\r\n',
    '*2\r\n$03x\r\nGET\r\n',
    'POST / HTTP/1.1\r\nHost: x\r\n\r\n',
    '*99999999999\r\n',
  ]) {
    const socket = dial(one)
    const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
    const answer = await exchange(socket, bytes, (text) => text.endsWith('\r\n'))
    expect(answer, JSON.stringify(bytes)).toMatch(/^-ERR Protocol error/)
    socket.end()
    await closed
  }
  expect(await ask(owner, ['GET', 'greeting'], never)).toBe('hello')
})

test('switched to read-write, idle connections end and new ones may write; a MULTI under way ends first', async () => {
  const one = await open()
  const [idle, busy] = [dial(one), dial(one)]
  const closed = new Promise<void>((resolve) => idle.once('end', () => resolve()))
  await ask(idle, ['PING'], never)
  await ask(busy, ['MULTI'], never)
  const upstream = { label: 'staging (cache)', credentials: async () => ({ user: '', password: PASSWORD }) }
  one.dependency.set(settingOf('redis', `redis://127.0.0.1:${server.port}/3`, { name: 'cache', access: READ_WRITE, upstream }))
  await closed
  await expect(ask(busy, ['INCR', 'n'], never)).rejects.toThrow('READONLY')
  await expect(ask(busy, ['EXEC'], never)).rejects.toThrow('EXECABORT')
  const socket = dial(one)
  expect(await ask(socket, ['SET', 'mine', '1'], never)).toBe('OK')
  expect(await ask(owner, ['EXISTS', 'mine'], never)).toBe(0)
  expect(await ask(socket, ['FLUSHDB'], never)).toBe('OK')
})

test.each([
  ['another protocol', 'HTTP/1.1 400 Bad Request\r\n\r\n'],
  ['an array without an end', '*4294967296\r\n$1\r\na\r\n'],
  ['an array of arrays of arrays', '*1\r\n'.repeat(100_000)],
])('a server that speaks %s fails what is asked, and nothing else', async (_name, answer) => {
  const other = createServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', () => socket.write(answer))
  })
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
  const socket = connect((other.address() as AddressInfo).port, '127.0.0.1')
  try {
    await expect(ask(socket, ['PING'], AbortSignal.timeout(5_000))).rejects.toThrow()
  } finally {
    socket.destroy()
    other.close()
  }
})

test('nothing is dialled for a client that does not know the password, whatever it says and however it comes', async () => {
  const network = await createCutRelay({ host: '127.0.0.1', port: server.port })
  const one = await openFor(
    openRedisDependency,
    settingOf('redis', `redis://127.0.0.1:${network.port}`, {
      name: 'cache',
      clientPassword: 'of-the-run',
      upstream: { credentials: async () => ({ user: 'default', password: PASSWORD }) },
    }),
  )
  keep(one)
  await until(() => one.dependency.health().state === 'ready', 'the probe has come through')
  const before = network.attempts
  const strangers = Array.from({ length: 20 }, () => dial(one))
  for (const socket of strangers) {
    const said = await exchange(
      socket,
      'PING\r\n*2\r\n$4\r\nAUTH\r\n$7\r\nguessed\r\nGET greeting\r\n*5\r\n$5\r\nHELLO\r\n$1\r\n3\r\n$4\r\nAUTH\r\n$1\r\nx\r\n$1\r\ny\r\n',
      (answer) => answer.split('\r\n').length >= 5,
    )
    expect(said).toMatch(/^-NOAUTH.*\r\n-WRONGPASS.*\r\n-NOAUTH.*\r\n-WRONGPASS.*\r\n$/)
  }
  expect(network.attempts).toBe(before)
  // What comes with the password, in one piece and in single bytes, is served.
  const [at, byByte] = [strangers[0]!, strangers[1]!]
  const known = Buffer.concat([encode(['AUTH', 'of-the-run']), encode(['GET', 'greeting'])])
  expect(await exchange(at, known, (answer) => answer.endsWith('hello\r\n'))).toBe('+OK\r\n$5\r\nhello\r\n')
  byByte.setNoDelay(true)
  for (const byte of known) byByte.write(Buffer.from([byte]))
  expect(await exchange(byByte, '', (answer) => answer.endsWith('hello\r\n'))).toBe('+OK\r\n$5\r\nhello\r\n')
  const [hello] = [strangers[2]!]
  expect(
    await exchange(hello, encode(['HELLO', '3', 'AUTH', 'default', 'of-the-run']), (answer) => answer.includes('modules')),
  ).toMatch(/^%/)
  expect(await exchange(strangers[3]!, 'QUIT\r\n', (answer) => answer.length >= 5)).toBe('+OK\r\n')
  expect(network.attempts).toBe(before + 3)
  await network.close()
})

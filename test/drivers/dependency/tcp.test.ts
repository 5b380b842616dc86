import { connect, createServer, type Server, type Socket } from 'node:net'
import { once } from 'node:events'
import { afterEach, expect, test } from 'vitest'
import { openTcpDependency } from '../../../src/drivers/dependency/tcp/open-tcp.ts'
import { createCutRelay } from './support/cut-relay.ts'
import { holdForTests } from './support/opened.ts'
import { type Opened, openFor, READ_WRITE, settingOf } from './support/setting.ts'
import { until } from './support/until.ts'

const servers: Server[] = []
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => new Promise((resolve) => server.close(resolve))))
})

// Behind the servers' own end: they wait for their connections.
const { keep, dial: dialTo, sockets } = holdForTests()

const serve = async (onSocket: (socket: Socket) => void): Promise<number> => {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.push(socket)
    socket.on('error', () => undefined)
    onSocket(socket)
  })
  servers.push(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as { port: number }).port
}
const open = async (port: number, more: Parameters<typeof settingOf>[2] = {}): Promise<Opened> => {
  return keep(
    await openFor(openTcpDependency, settingOf('tcp', `tcp://127.0.0.1:${port}`, { name: 'queue', access: READ_WRITE, ...more })),
  )
}
const dial = (to: Opened, host = '127.0.0.1'): Socket => dialTo(to, { host, allowHalfOpen: true })
/** Unlike `once`, an error is a way to close. */
const closeOf = (socket: Socket): Promise<void> => new Promise((resolve) => socket.once('close', () => resolve()))
const textOf = async (socket: Socket): Promise<string> => {
  let text = ''
  for await (const chunk of socket as AsyncIterable<Buffer>) text += chunk.toString('latin1')
  return text
}

test('bytes pass both ways, on both loopback addresses, and a half-closed connection still answers', async () => {
  const port = await serve((socket) => {
    let text = ''
    socket.on('data', (chunk: Buffer) => (text += chunk.toString()))
    socket.on('end', () => socket.end(`got ${text}`))
  })
  const one = await open(port)
  for (const host of ['127.0.0.1', '::1']) {
    const socket = dial(one, host)
    socket.end('all of it')
    expect(await textOf(socket)).toBe('got all of it')
  }
  await until(() => one.events.length === 2, 'both connections are told')
  expect(one.events[0]).toMatchObject({ outcome: 'answered', servedBy: 'upstream', sentBytes: 9, receivedBytes: 13 })
  expect(one.dependency.health()).toMatchObject({ state: 'ready', requests: 2, failed: 0, openConnections: 0 })
})

test('a slow reader holds the sender back instead of filling memory', async () => {
  let sent = 0
  const port = await serve((socket) => {
    const chunk = Buffer.alloc(64 * 1024)
    const write = (): void => {
      while (sent < 80_000_000 && socket.write(chunk)) sent += chunk.length
    }
    socket.on('drain', write)
    write()
  })
  const socket = dial(await open(port))
  socket.pause()
  let last = -1
  await until(async () => {
    const isStill = sent > 0 && sent === last
    last = sent
    await new Promise((resolve) => setTimeout(resolve, 100))
    return isStill
  }, 'the sender waits')
  expect(sent).toBeLessThan(40_000_000)
  socket.resume()
  await until(() => sent >= 80_000_000, 'the sender goes on as the reader does')
})

test('a reset of either side is a reset of the other', async () => {
  const ends: string[] = []
  const port = await serve((socket) => {
    socket.on('data', () => socket.resetAndDestroy())
    socket.once('error', (error: NodeJS.ErrnoException) => ends.push(error.code ?? ''))
  })
  const one = await open(port)
  const asked = dial(one)
  const failed = closeOf(asked)
  asked.write('break off')
  await failed
  await until(() => one.events.length === 1, 'it is told')
  expect(one.events[0]).toMatchObject({ outcome: 'failed' })
  expect(one.dependency.health()).toMatchObject({
    state: 'failing',
    lastError: { message: expect.stringMatching(/ECONNRESET|cut/) as string },
  })

  const leaver = dial(one)
  await once(leaver, 'connect')
  await until(() => one.dependency.health().openConnections === 1, 'it is open')
  await until(() => sockets.length >= 4, 'the upstream has it too')
  leaver.resetAndDestroy()
  await until(() => ends.includes('ECONNRESET'), 'the upstream sees the reset')
  expect(one.events[1]).toMatchObject({ outcome: 'aborted' })
})

test('an upstream that refuses or never answers the dial is an end of the connection, and named', async () => {
  const refused = await open(1)
  await closeOf(dial(refused))
  await until(() => refused.events.length === 1, 'it is told')
  expect(refused.events[0]).toMatchObject({
    outcome: 'failed',
    cause: 'staging (users-db) cannot be reached: the connection was refused.',
  })
  const hanging = await open(1, {
    rules: { timeouts: { connectMs: 100 } },
    upstream: {
      connect: (signal) => new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error))),
    },
  })
  await closeOf(dial(hanging))
  await until(() => hanging.events.length === 1, 'it is told')
  expect(hanging.events[0]?.cause).toBe('staging (users-db) cannot be reached: no connection within 0.1 s.')
})

test('a client that leaves while the upstream is dialled ends the dial', async () => {
  let wasAborted = false
  const one = await open(1, {
    upstream: {
      connect: (signal) =>
        new Promise((_, reject) =>
          signal.addEventListener('abort', () => {
            wasAborted = true
            reject(signal.reason as Error)
          }),
        ),
    },
  })
  const socket = dial(one)
  await once(socket, 'connect')
  socket.resetAndDestroy()
  await until(() => wasAborted, 'the dial is aborted')
  expect(one.dependency.health().state).toBe('unknown')
})

test('an upstream that takes no bytes is given up after the deadline', async () => {
  const port = await serve((socket) => socket.pause())
  const one = await open(port, { rules: { timeouts: { idleMs: 200 } } })
  const socket = dial(one)
  const closed = closeOf(socket)
  const chunk = Buffer.alloc(1024 * 1024)
  for (let count = 0; count < 64; count += 1) socket.write(chunk)
  await closed
  await until(() => one.events.length === 1, 'it is told')
  expect(one.events[0]).toMatchObject({ outcome: 'failed', cause: 'it took no bytes for 0.2 s' })
})

test('three hundred connections at once', async () => {
  const port = await serve((socket) => socket.pipe(socket))
  const one = await open(port)
  const all = Array.from({ length: 300 }, () => dial(one))
  const answers = await Promise.all(
    all.map(async (socket, index) => {
      socket.end(`number ${index}`)
      return textOf(socket)
    }),
  )
  expect(answers).toEqual(all.map((_socket, index) => `number ${index}`))
  await until(() => one.dependency.health().openConnections === 0, 'all are over')
}, 90_000)

test('the network goes and comes back: the port stays, connections that are open then are cut, later ones work', async () => {
  const port = await serve((socket) => socket.pipe(socket))
  const relay = await createCutRelay({ host: '127.0.0.1', port })
  const one = await open(relay.port)
  const socket = dial(one)
  socket.write('before')
  await once(socket, 'data')
  const closed = closeOf(socket)
  await relay.cut('refuse')
  await closed
  await closeOf(dial(one))
  expect(one.dependency.health().state).toBe('failing')
  await relay.heal()
  const later = dial(one)
  later.end('after')
  expect(await textOf(later)).toBe('after')
  expect(one.dependency.health().state).toBe('ready')
  await relay.close()
})

test('what may only be read is refused, at once and when it is switched to', async () => {
  const port = await serve((socket) => socket.pipe(socket))
  const refusal = { code: 'DEPENDENCY_TCP_UNGUARDED', exit: 2, message: expect.stringContaining('queue is read-only') as string }
  await expect(open(port, { access: { level: 'read_only', allow: [] } })).rejects.toMatchObject(refusal)
  const one = await open(port)
  const setting = settingOf('tcp', `tcp://127.0.0.1:${port}`, { name: 'queue' })
  expect(() => one.dependency.set(setting)).toThrow(expect.objectContaining(refusal) as Error)
  const socket = dial(one)
  socket.end('still as before')
  expect(await textOf(socket)).toBe('still as before')
  expect(() => one.dependency.set({ ...setting, mode: 'record' })).toThrow(
    expect.objectContaining({ code: 'DEPENDENCY_MODE_UNSUPPORTED' }) as Error,
  )
  expect(() => one.dependency.set({ ...setting, faults: { errorRate: 1 } })).toThrow(
    expect.objectContaining({ code: 'DEPENDENCY_FAULTS_UNSUPPORTED' }) as Error,
  )
  expect(() => one.dependency.set({ ...setting, upstream: undefined })).toThrow(
    expect.objectContaining({ code: 'DEPENDENCY_NO_UPSTREAM' }) as Error,
  )
})

test('a port that is wanted is taken if it is free, and connections accepted elsewhere are served', async () => {
  const port = await serve((socket) => socket.pipe(socket))
  const first = await open(port)
  const setting = settingOf('tcp', `tcp://127.0.0.1:${port}`, { access: READ_WRITE })
  const second = await openFor(openTcpDependency, setting, { port: first.dependency.port })
  keep(second)
  expect(second.dependency.port).not.toBe(first.dependency.port)
  await first.dependency.close()
  const third = await openFor(openTcpDependency, setting, { port: first.dependency.port })
  keep(third)
  expect(third.dependency.port).toBe(first.dependency.port)

  const elsewhere = await serve((socket) => third.dependency.accept(socket))
  const socket = connect({ port: elsewhere, host: '127.0.0.1', allowHalfOpen: true })
  socket.end('by another door')
  expect(await textOf(socket)).toBe('by another door')
})

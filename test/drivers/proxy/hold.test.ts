import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, request as httpRequest, type RequestListener, type Server } from 'node:http'
import { connect, createServer as createTcpServer, type AddressInfo, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createFrontDoor } from '../../../src/drivers/proxy/front-door.ts'
import type { Endpoint, FrontDoor } from '../../../src/engine/ports.ts'

const HOST = 'orders.shop'
let home: string
let door: FrontDoor
const servers: (Server | ReturnType<typeof createTcpServer>)[] = []

beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'shiv-hold-'))
  door = await createFrontDoor({ home })
})
afterEach(async () => {
  await door.close()
  for (const server of servers.splice(0)) {
    if ('closeAllConnections' in server) server.closeAllConnections()
    server.close()
  }
  rmSync(home, { recursive: true, force: true })
})

async function upstream(listener: RequestListener, port = 0): Promise<Endpoint & { server: Server }> {
  const server = createServer(listener)
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  return { host: '127.0.0.1', port: (server.address() as AddressInfo).port, server }
}

const route = (endpoints: Endpoint[], protocol: 'http' | 'tcp' = 'http') =>
  door.route({ host: HOST, workspace: 'shop', service: 'orders', endpoints, protocol })

function ask(body?: string, method = body === undefined ? 'GET' : 'POST'): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      { host: '127.0.0.1', port: door.port, method, headers: { host: 'orders.localhost' }, agent: false },
      (response) => {
        let text = ''
        response.on('data', (chunk: Buffer) => (text += chunk.toString()))
        response.on('end', () => resolve(`${response.statusCode} ${text}`))
        response.on('error', reject)
      },
    )
    request.on('error', reject)
    request.end(body)
  })
}

/** Whether a promise is settled after what is on its way has had its turn. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false
  void promise.finally(() => (settled = true))
  await sleep(60)
  return settled
}

test('a request in flight is answered before the hold is complete, and one that comes waits for the release', async () => {
  let answerOld = (): void => {}
  const old = await upstream((_request, response) => void (answerOld = () => response.end('old')))
  await route([old])
  const inFlight = ask('an order')
  await expect.poll(() => String(answerOld)).toContain('old')
  const holding = door.hold!(HOST, 5_000)
  const later = [ask('1'), ask(), ask('2', 'PUT'), ask(undefined, 'DELETE')]
  expect(await isSettled(holding)).toBe(false)
  answerOld()
  expect(await inFlight).toBe('200 old')
  const release = await holding
  const next = await upstream((request, response) => response.end(`new ${request.method}`))
  await route([next])
  expect(await isSettled(Promise.any(later))).toBe(false)
  release()
  expect(await Promise.all(later)).toEqual(['200 new POST', '200 new GET', '200 new PUT', '200 new DELETE'])
})

test('those that waited go in the order they came', async () => {
  const seen: string[] = []
  const one = await upstream((request, response) => {
    request.on('data', (chunk: Buffer) => seen.push(chunk.toString()))
    request.on('end', () => response.end())
  })
  await route([one])
  const release = await door.hold!(HOST, 0)
  const waiting: Promise<string>[] = []
  for (let index = 0; index < 12; index += 1) {
    waiting.push(ask(String(index)))
    await sleep(5)
  }
  release()
  await Promise.all(waiting)
  expect(seen).toEqual(Array.from({ length: 12 }, (_, index) => String(index)))
})

test('what is in flight is waited for no longer than asked, and is not cut', async () => {
  let answerSlow = (): void => {}
  const slow = await upstream((_request, response) => void (answerSlow = () => response.end('slow')))
  await route([slow])
  const inFlight = ask()
  await expect.poll(() => String(answerSlow)).toContain('slow')
  const release = await door.hold!(HOST, 30)
  answerSlow()
  expect(await inFlight).toBe('200 slow')
  release()
})

test('no connection of before is used again: not one that was idle, nor one that was at work', async () => {
  const connections: Socket[] = []
  const answers: (() => void)[] = []
  const one = await upstream((request, response) => {
    if (request.method === 'GET') answers.push(() => response.end('slow'))
    else response.end('ok')
  })
  one.server.on('connection', (socket) => connections.push(socket))
  await route([one])
  await Promise.all([ask('1'), ask('2')])
  const slow = ask()
  await expect.poll(() => answers.length).toBe(1)
  const before = connections.length
  const release = await door.hold!(HOST, 0)
  await expect.poll(() => connections.filter((socket) => !socket.destroyed).length).toBe(1)
  answers[0]!()
  expect(await slow).toBe('200 slow')
  await expect.poll(() => connections.filter((socket) => !socket.destroyed).length).toBe(0)
  release()
  expect(await ask('3')).toBe('200 ok')
  expect(connections.length).toBe(before + 1)
})

test('a stream of events that has begun is not waited for', async () => {
  const one = await upstream((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' })
    response.write('data: 1\n\n')
  })
  await route([one])
  const request = httpRequest({ host: '127.0.0.1', port: door.port, headers: { host: 'orders.localhost' } })
  request.on('error', () => {}) // it is cut at the end of this test
  const begun = new Promise((resolve) =>
    request.on('response', (response) => response.once('data', resolve).once('error', resolve)),
  )
  request.end()
  await begun
  const release = await door.hold!(HOST, 60_000)
  release()
  request.destroy()
})

test('an upgraded connection is not waited for, and one that asks meanwhile waits', async () => {
  const one = await upstream((_request, response) => response.end())
  one.server.on('upgrade', (_request, socket) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nupgrade: echo\r\nconnection: upgrade\r\n\r\n')
    socket.on('error', () => {}) // the test's client hangs up
  })
  await route([one])
  const upgrade = () => {
    const request = httpRequest({
      host: '127.0.0.1',
      port: door.port,
      headers: { host: 'orders.localhost', connection: 'Upgrade', upgrade: 'echo' },
    })
    request.on('error', () => {}) // it hangs up on purpose
    const done = new Promise<{ destroy(): void }>((resolve) => request.on('upgrade', (_response, socket) => resolve(socket)))
    request.end()
    return done
  }
  const first = await upgrade()
  const release = await door.hold!(HOST, 60_000)
  const second = upgrade()
  expect(await isSettled(second)).toBe(false)
  release()
  for (const socket of [first, await second]) socket.destroy()
})

test('a TCP connection waits too', async () => {
  const server = createTcpServer((socket) => socket.end('hello'))
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = await route([{ host: '127.0.0.1', port: (server.address() as AddressInfo).port }], 'tcp')
  const release = await door.hold!(HOST, 1_000)
  const said = new Promise<string>((resolve, reject) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('data', (chunk: Buffer) => resolve(chunk.toString()))
    socket.once('error', reject)
  })
  expect(await isSettled(said)).toBe(false)
  release()
  expect(await said).toBe('hello')
})

test('holds nest: the last release opens, and a release counts once', async () => {
  const one = await upstream((_request, response) => response.end('ok'))
  await route([one])
  const first = await door.hold!(HOST, 0)
  const second = await door.hold!(HOST, 0)
  const waiting = ask()
  first()
  first()
  expect(await isSettled(waiting)).toBe(false)
  second()
  expect(await waiting).toBe('200 ok')
})

test('the wait of a hold is bounded in number and in time, and an unknown host can be held', async () => {
  await door.close()
  door = await createFrontDoor({ home, hold: { count: 1, timeoutMs: 100 } })
  const one = await upstream((_request, response) => response.end('ok'))
  await route([one])
  const release = await door.hold!(HOST, 0)
  const answers = (await Promise.all([ask(), ask()])).map((answer) => answer.replace(/^(\d+) .*"code": "(\w+)".*$/s, '$1 $2'))
  expect(answers.toSorted()).toEqual(['503 SERVICE_NOT_READY', '503 TOO_MANY_WAITING'])
  release()
  expect(await ask()).toBe('200 ok')
  ;(await door.hold!('nobody.shop', 0))()
})

test('a body is not read while it waits', async () => {
  const size = 32 * 1024 * 1024
  const one = await upstream((request, response) => {
    let length = 0
    request.on('data', (chunk: Buffer) => (length += chunk.length))
    request.on('end', () => response.end(String(length)))
  })
  await route([one])
  const release = await door.hold!(HOST, 0)
  const request = httpRequest({ host: '127.0.0.1', port: door.port, method: 'POST', headers: { host: 'orders.localhost' } })
  const answered = new Promise<string>((resolve, reject) => {
    request.on('response', (response) => response.once('data', (chunk: Buffer) => resolve(chunk.toString())))
    request.on('error', reject)
  })
  request.end(Buffer.alloc(size))
  await sleep(200)
  // It is still the client's to send, but for what the system's buffers take.
  expect(request.socket!.writableLength).toBeGreaterThan(size / 2)
  release()
  expect(await answered).toBe(String(size))
})

import { connect } from 'node:net'
import { expect, test } from 'vitest'
import { ShivError } from '../../../../src/core/errors.ts'
import type { Capture, Exchange, Player, RequestHead } from '../../../../src/drivers/dependency/exchange.ts'
import type { DependencySetting } from '../../../../src/engine/dependency-ports.ts'
import { answering, ask, cleanUp, httpUpstream, open, rawUpstream, until } from './support.ts'

const recording: DependencySetting['recording'] = {
  file: 'billing.har',
  recordMissing: false,
  rules: {
    ignore: { query: [], headers: [], body: [] },
    redact: { headers: [], cookies: [], body: [], patterns: [] },
    order: 'any',
  },
}

/** A recorder that writes a line for each thing that it is told. */
function listening(lines: string[], hold?: () => Promise<void>): Exchange {
  const begin = (head: RequestHead): Capture => {
    lines.push(`begin ${head.method} ${head.target} ${head.headers.length / 2}`)
    return {
      requestData: (chunk) => void lines.push(`> ${chunk}`),
      requestEnd: (trailers) => void lines.push(`> end ${trailers}`),
      informational: ({ status }) => void lines.push(`< ${status}`),
      responseHead: ({ status, headers }) => void lines.push(`< ${status} ${headers}`),
      responseData(chunk) {
        lines.push(`< ${chunk}`)
        return hold?.()
      },
      end: (trailers) => void lines.push(`< end ${trailers}`),
      fail: (cause) => void lines.push(`fail ${cause}`),
    }
  }
  return { recorder: { begin }, close: async () => void lines.push('closed') }
}

const player = (answer: Player['answer']): Exchange => ({ player: { answer }, close: async () => {} })

test('record: all of an exchange is told, before the rules; it is closed when the last request of it is over', async () => {
  const lines: string[] = []
  let finish = (): void => {}
  const server = await rawUpstream(
    answering((socket) => {
      socket.write('HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nX-A: 1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n')
      finish = () => socket.write('0\r\nT: 1\r\n\r\n')
    }),
  )
  const { port, set } = await open(
    server,
    { mode: 'record', recording, rules: { response: { remove: ['x-a'] } } },
    { openExchange: async () => listening(lines) },
  )
  const asking = ask(port, { method: 'POST', path: '/a', body: 'body', headers: ['Host', 'billing', 'Content-Length', '4'] })
  await until(() => lines.includes('< ok'), 'the body')
  set({ mode: 'staging' })
  await new Promise((resolve) => setTimeout(resolve, 20))
  expect(lines).not.toContain('closed')
  finish()
  expect(await asking).toMatchObject({ body: 'ok', trailers: { t: '1' } })
  await until(() => lines.includes('closed'), 'the close')
  expect(lines).toEqual(['begin POST /a 3', '> body', '> end ', '< 103', '< 200 X-A,1', '< ok', '< end T,1', 'closed'])
})

test('record: a slow recorder holds the upstream; a broken exchange is told', async () => {
  const lines: string[] = []
  let written = 0
  const server = await httpUpstream((_request, response) => {
    const chunk = Buffer.alloc(100_000, 'x')
    const more = (): unknown =>
      (written += chunk.length) < 500_000_000 && (response.write(chunk) ? setImmediate(more) : response.once('drain', more))
    more()
  })
  const { port } = await open(
    server,
    { mode: 'record', recording },
    { openExchange: async () => listening(lines, () => new Promise(() => {})) },
  )
  const socket = connect(port, '127.0.0.1', () => socket.write('GET / HTTP/1.1\r\nHost: billing\r\n\r\n'))
  socket.resume()
  let before = -1
  for (let same = 0; same < 20;) {
    await new Promise((resolve) => setTimeout(resolve, 20))
    same = written === before ? same + 1 : 0
    before = written
  }
  expect(written).toBeLessThan(100_000_000)
  socket.destroy()
  await until(() => lines.at(-1)?.startsWith('fail'), 'the failure')
})

test('record: a WebSocket is told as it passes', async () => {
  const lines: string[] = []
  const server = await rawUpstream((socket) => {
    socket.once('data', () => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
      socket.on('data', (chunk) => socket.write(`re ${chunk}`))
      socket.on('end', () => socket.end())
    })
  })
  const { port } = await open(server, { mode: 'record', recording }, { openExchange: async () => listening(lines) })
  const socket = connect(port, '127.0.0.1', () =>
    socket.write('GET /live HTTP/1.1\r\nHost: billing\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'),
  )
  cleanUp(() => socket.destroy())
  socket.once('data', () => {
    socket.write('hi')
    socket.once('data', () => socket.end())
  })
  await until(() => lines.at(-1)?.startsWith('< end'), 'the end')
  expect(lines.filter((line) => !line.startsWith('begin'))).toEqual(['< 101 ', '> hi', '< re hi', '< end '])
})

test('replay: answers without an upstream, streamed, with trailers', async () => {
  const { port, events } = await open(
    undefined,
    { mode: 'replay', recording },
    {
      openExchange: async () =>
        player(async (head, body) => {
          const chunks: Buffer[] = []
          for await (const chunk of body) chunks.push(chunk)
          return {
            matched: {
              head: { status: 201, statusText: 'Made', headers: ['X-Path', head.target, 'Content-Length', '999'] },
              body: (async function* () {
                yield Buffer.from('heard ')
                yield Buffer.concat(chunks)
              })(),
              trailers: () => ['T', '1'],
            },
          }
        }),
    },
  )
  const answer = await ask(port, { path: '/a', body: 'this' })
  expect(answer).toMatchObject({
    status: 201,
    body: 'heard this',
    trailers: { t: '1' },
    headers: { 'x-path': '/a', 'shiv-served-by': 'recording' },
  })
  expect(events[0]).toMatchObject({ outcome: 'answered', servedBy: 'recording', status: '201', sentBytes: 4, receivedBytes: 10 })
})

test('replay: a recording that fails in the middle of an answer breaks it off', async () => {
  const body = async function* (): AsyncGenerator<Buffer> {
    yield Buffer.from('half')
    throw new ShivError('billing.har ends here.', { code: 'RECORDING_UNREADABLE' })
  }
  const answer = { matched: { head: { status: 200, statusText: 'OK', headers: [] }, body: body() } }
  const { port, events } = await open(
    undefined,
    { mode: 'replay', recording },
    { openExchange: async () => player(async () => answer) },
  )
  await expect(ask(port)).rejects.toThrow(/aborted|hang up|reset/)
  expect(events).toMatchObject([{ outcome: 'failed', servedBy: 'recording', cause: 'billing.har ends here.' }])
})

test('replay: what does not match is refused with the nearest and its difference', async () => {
  const unmatched = {
    message: 'No recorded GET /a has this query.',
    nearest: 'GET /a?b=1',
    difference: ['query b: "2", recorded "1"'],
    hint: 'shiv proxy mode billing record',
  }
  const { port } = await open(
    undefined,
    { mode: 'replay', recording },
    { openExchange: async () => player(async () => ({ unmatched })) },
  )
  const { status, json, headers } = await ask(port, { path: '/a?b=2' })
  expect({ status, by: headers['shiv-served-by'] }).toEqual({ status: 502, by: 'recording' })
  expect(json).toMatchObject({
    code: 'PROXY_UNMATCHED',
    detail: unmatched.message,
    nearest: unmatched.nearest,
    difference: unmatched.difference,
    hint: unmatched.hint,
  })
})

test('replay with recordMissing: what does not match goes on, guarded, with its whole body', async () => {
  const lines: string[] = []
  const server = await httpUpstream((request, response) => void request.pipe(response))
  const unmatched = { message: 'none', difference: [] }
  const { port, set } = await open(
    server,
    { mode: 'replay', recording: { ...recording, recordMissing: true } },
    {
      openExchange: async () => ({ ...listening(lines), player: { answer: async () => ({ unmatched }) } }),
    },
  )
  expect(await ask(port, { body: 'kept whole' })).toMatchObject({
    status: 200,
    body: 'kept whole',
    headers: { 'shiv-served-by': 'staging (billing)' },
  })
  expect(lines).toContain('> kept whole')
  set({ mode: 'replay', recording: { ...recording, recordMissing: true }, access: { level: 'read_only', allow: [] } })
  expect((await ask(port, { body: 'x' })).status).toBe(403)
})

test('a recording that cannot be read: opening rejects, a later switch answers with it', async () => {
  const failure = (): never => {
    throw new ShivError('billing.har cannot be read.', { code: 'RECORDING_UNREADABLE', hint: 'look at it' })
  }
  await expect(open(undefined, { mode: 'replay', recording }, { openExchange: async () => failure() })).rejects.toMatchObject({
    code: 'RECORDING_UNREADABLE',
  })
  const server = await httpUpstream((_request, response) => void response.end('ok'))
  const { port, set } = await open(server, {}, { openExchange: async () => failure() })
  set({ mode: 'replay', recording })
  expect(await ask(port)).toMatchObject({ status: 502, json: { code: 'RECORDING_UNREADABLE', hint: 'look at it' } })
  set({})
  expect((await ask(port)).body).toBe('ok')
})

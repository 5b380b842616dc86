import { connect, type Socket } from 'node:net'

const QUESTION = Buffer.from(
  'GET /invoices/7?page=2 HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\nUser-Agent: bench/1.0\r\nAccept-Encoding: gzip, br\r\nX-Request-Id: 6c1f8e3a\r\n\r\n',
)

/** Requests one after another on each of `connections` kept connections, `count` in all. Reads answers by their length, so that it takes little itself. */
export async function askMany(port: number, connections: number, count: number): Promise<void> {
  let left = count
  await Promise.all(
    Array.from(
      { length: connections },
      () =>
        new Promise<void>((resolve, reject) => {
          const socket = connect({ port, host: '127.0.0.1', noDelay: true })
          const take = answerReader(() => {
            if (left-- > 0) socket.write(QUESTION)
            else {
              socket.destroy()
              resolve()
            }
          }, reject)
          socket.on('data', take)
          socket.on('error', reject)
          socket.on('connect', () => (left-- > 0 ? socket.write(QUESTION) : resolve()))
        }),
    ),
  )
}

/** Asks at a steady rate; the milliseconds each answer took, from when it was due. */
export async function askSteadily(port: number, perSecond: number, seconds: number): Promise<number[]> {
  const free: { socket: Socket; done: (() => void) | undefined }[] = []
  const taken: number[] = []
  const open = new Set<Socket>()
  let failure: Error | undefined
  const one = (): { socket: Socket; done: (() => void) | undefined } => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true })
    open.add(socket)
    const lane = { socket, done: undefined as (() => void) | undefined }
    socket.on(
      'data',
      answerReader(
        () => lane.done?.(),
        (error) => (failure = error),
      ),
    )
    socket.on('error', (error) => (failure = error))
    return lane
  }
  const total = perSecond * seconds
  const start = performance.now() + 20
  let sent = 0
  await new Promise<void>((resolve) => {
    const tick = (): void => {
      const now = performance.now()
      while (sent < total && start + (sent * 1_000) / perSecond <= now) {
        const lane = free.pop() ?? one()
        const began = performance.now()
        sent += 1
        lane.done = () => {
          taken.push(performance.now() - began)
          free.push(lane)
          if (taken.length === total) resolve()
        }
        lane.socket.write(QUESTION)
      }
      if (failure) resolve()
      else if (sent < total) setImmediate(tick)
    }
    tick()
  })
  for (const socket of open) socket.destroy()
  if (failure) throw failure
  return taken
}

/** Calls `onAnswer` for each whole answer of a known length. */
function answerReader(onAnswer: () => void, onError: (error: Error) => void): (chunk: Buffer) => void {
  let left = 0
  let head = ''
  return (chunk) => {
    let at = 0
    while (at < chunk.length) {
      if (left > 0) {
        const size = Math.min(left, chunk.length - at)
        left -= size
        at += size
        if (left === 0) onAnswer()
        continue
      }
      const end = chunk.indexOf('\r\n\r\n', at, 'latin1')
      head += chunk.toString('latin1', at, end === -1 ? chunk.length : end)
      if (end === -1) return
      if (!head.startsWith('HTTP/1.1 200')) return onError(new Error(`answered with ${head.slice(0, 60)}`))
      left = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? Number.NaN)
      if (Number.isNaN(left)) return onError(new Error('an answer without a length'))
      head = ''
      at = end + 4
    }
  }
}

/** Milliseconds that `size` bytes take to come, or to go. */
export async function transfer(port: number, way: 'down' | 'up', size: number): Promise<number> {
  const began = performance.now()
  await new Promise<void>((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true })
    socket.on('error', reject)
    if (way === 'down') {
      let received = 0
      socket.write(`GET /bytes/${size} HTTP/1.1\r\nHost: localhost\r\n\r\n`)
      socket.on('data', (chunk: Buffer) => {
        received += chunk.length
        if (received < size) return
        socket.destroy()
        resolve()
      })
      return
    }
    const chunk = Buffer.alloc(1_048_576, 'x')
    let left = size
    const more = (): void => {
      while (left > 0) {
        const piece = left < chunk.length ? chunk.subarray(0, left) : chunk
        left -= piece.length
        if (!socket.write(piece)) return void socket.once('drain', more)
      }
    }
    socket.write(`POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${size}\r\n\r\n`)
    socket.once('data', (answer: Buffer) => {
      socket.destroy()
      if (answer.toString('latin1').startsWith('HTTP/1.1 200')) resolve()
      else reject(new Error(answer.toString('latin1').slice(0, 60)))
    })
    more()
  })
  return performance.now() - began
}

/** Opens `count` WebSockets that stay idle; the result closes them. */
export async function openWebSockets(port: number, count: number): Promise<() => void> {
  const sockets: Socket[] = []
  const key = Buffer.alloc(16, 'k').toString('base64')
  for (let begun = 0; begun < count; begun += 100)
    await Promise.all(
      Array.from(
        { length: Math.min(100, count - begun) },
        () =>
          new Promise<void>((resolve, reject) => {
            const socket = connect({ port, host: '127.0.0.1' })
            sockets.push(socket)
            socket.on('error', reject)
            socket.once('data', (answer: Buffer) =>
              answer.toString('latin1').startsWith('HTTP/1.1 101') ? resolve() : reject(new Error('no upgrade')),
            )
            socket.write(
              `GET /live HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n\r\n`,
            )
          }),
      ),
    )
  return () => {
    for (const socket of sockets) socket.destroy()
  }
}

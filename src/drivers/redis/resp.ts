import type { Duplex } from 'node:stream'

/** The largest that is asked for is the table of commands. */
const MOST_BYTES = 16 * 1024 * 1024
const MOST_DEPTH = 16

/** What a server said no with. */
export class RedisRefusal extends Error {}

/** A command as an array of bulk strings. */
export function encode(words: readonly (string | Buffer)[]): Buffer {
  const parts: (string | Buffer)[] = [`*${words.length}\r\n`]
  for (const word of words) parts.push(`$${Buffer.byteLength(word)}\r\n`, word, '\r\n')
  return Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : part)))
}

/** An error as a client gets it; its first word is its kind. */
export function errorLine(text: string): Buffer {
  return Buffer.from(`-${text.replaceAll(/[\r\n]+/g, ' ')}\r\n`)
}

/** Sends one command on a connection that waits for its next, and gives the answer: strings, numbers, null and arrays. Throws RedisRefusal. */
export function ask(socket: Duplex, words: readonly (string | Buffer)[], signal: AbortSignal): Promise<unknown> {
  return new Promise((resolve, reject) => {
    let buffered: Buffer = Buffer.alloc(0)
    const settle = (): void => {
      socket.removeListener('readable', look)
      socket.removeListener('close', ended)
      socket.removeListener('error', fail)
      signal.removeEventListener('abort', abort)
    }
    const fail = (error: Error): void => {
      settle()
      reject(error)
    }
    const ended = (): void => fail(new Error('the connection was closed'))
    const abort = (): void => fail(signal.reason as Error)
    const look = (): void => {
      for (let chunk = socket.read() as Buffer | null; chunk !== null; chunk = socket.read() as Buffer | null) {
        buffered = Buffer.concat([buffered, chunk])
      }
      let answer: ReturnType<typeof decode>
      try {
        answer = decode(buffered)
      } catch (error) {
        return fail(error as Error)
      }
      if (answer === undefined) return socket.readableEnded ? ended() : undefined
      settle()
      if (answer.end < buffered.length) socket.unshift(buffered.subarray(answer.end))
      if (answer.value instanceof RedisRefusal) reject(answer.value)
      else resolve(answer.value)
    }
    if (signal.aborted) return reject(signal.reason as Error)
    signal.addEventListener('abort', abort, { once: true })
    socket.on('readable', look)
    socket.once('close', ended)
    socket.once('error', fail)
    socket.write(encode(words))
  })
}

/** One whole answer of RESP2 from the front, or undefined while it is not all there. */
function decode(bytes: Buffer): { value: unknown; end: number } | undefined {
  let at = 0
  if (bytes.length > MOST_BYTES) throw new Error('its answer is larger than any that was asked for')
  const read = (depth: number): unknown => {
    const end = bytes.indexOf('\r\n', at)
    if (end < 0) throw new Incomplete()
    const type = String.fromCharCode(bytes[at]!)
    const line = bytes.toString('utf8', at + 1, end)
    at = end + 2
    if (type === '+') return line
    if (type === '-') return new RedisRefusal(line)
    if (type === ':') return Number(line)
    if (type !== '$' && type !== '*') throw new Error('it does not speak the protocol of Redis')
    const length = Number(line)
    if (length < 0) return null
    if (!(length <= MOST_BYTES) || depth > MOST_DEPTH) throw new Error('it does not speak the protocol of Redis')
    // Not by length: an array is as long as the server says, and what follows may never come.
    if (type === '*') {
      const items: unknown[] = []
      while (items.length < length) items.push(read(depth + 1))
      return items
    }
    if (bytes.length < at + length + 2) throw new Incomplete()
    const text = bytes.toString('utf8', at, at + length)
    at += length + 2
    return text
  }
  try {
    return { value: read(0), end: at }
  } catch (error) {
    if (error instanceof Incomplete) return undefined
    throw error
  }
}

class Incomplete extends Error {}

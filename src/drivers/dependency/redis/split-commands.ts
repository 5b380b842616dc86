import { encode } from '../../redis/resp.ts'

/** What a client sent is no command of the protocol. */
export class RedisProtocolError extends Error {}

/** `more`: the next word must be known too. `pass`: as it came. Bytes: in its place. */
export type Verdict = 'more' | 'pass' | Buffer

/** Given the first words of a command of `count` words, says what becomes of it. Once with each further word until it is not `more`. */
export type Decide = (words: Buffer[], count: number) => Verdict

/** Bounds of Redis' own. */
const LONGEST_LINE = 64 * 1024
const MOST_WORDS = 1024 * 1024
const LONGEST_WORD = 512 * 1024 * 1024
/** Of the words that a decision needs, all together. */
const LOOKED_AT = 16 * 1024

const [STAR, DOLLAR, LF, CR] = [42, 36, 10, 13]

/**
 * Cuts a client's stream into commands, arrays and inline ones. A command is held until it is decided on; the rest of it passes, or is left out,
 * as it comes. Throws RedisProtocolError for what Redis itself would read in another way or not at all.
 */
export function createCommandSplitter(decide: Decide, emit: (bytes: Buffer) => void): (chunk: Buffer) => void {
  let held: Buffer | undefined
  /** Of a command that was decided on: words that are still to come, and bytes of the present one. */
  let wordsLeft = 0
  let bytesLeft = 0
  let isPassing = true

  return (received) => {
    const chunk = held === undefined ? received : Buffer.concat([held, received])
    held = undefined
    let [at, from] = [0, 0]
    const flush = (to: number): void => {
      if (to > from) emit(from === 0 && to === chunk.length ? chunk : chunk.subarray(from, to))
      from = to
    }
    const hold = (start: number): void => {
      flush(start)
      held = chunk.subarray(start)
    }
    while (at < chunk.length) {
      if (bytesLeft > 0) {
        const step = Math.min(bytesLeft, chunk.length - at)
        if (!isPassing) flush(at)
        bytesLeft -= step
        at += step
        if (!isPassing) from = at
      } else if (wordsLeft > 0) {
        const word = readHead(chunk, at, DOLLAR, LONGEST_WORD)
        if (word === undefined) return hold(at)
        wordsLeft -= 1
        bytesLeft = word.end - at + word.value + 2
      } else if (chunk[at] === STAR) {
        const command = readArray(chunk, at, decide)
        if (command === undefined) {
          if (chunk.length - at > LOOKED_AT * 2) throw new RedisProtocolError('a command is too long to be looked at')
          return hold(at)
        }
        const { verdict, end } = command
        isPassing = verdict === 'pass'
        if (!isPassing) flush(at)
        if (verdict instanceof Buffer) emit(verdict)
        at = end
        if (!isPassing) from = at
        wordsLeft = command.wordsLeft
      } else {
        const end = chunk.indexOf(LF, at)
        if (end < 0) {
          if (chunk.length - at > LONGEST_LINE) throw new RedisProtocolError('an inline command is too long')
          return hold(at)
        }
        flush(at)
        const words = readInline(chunk.toString('latin1', at, chunk[end - 1] === CR && end > at ? end - 1 : end))
        if (words.length > 0) emit(decideAll(decide, words))
        at = from = end + 1
      }
    }
    flush(at)
  }
}

/** The command that begins at `at`, as far as it is needed; undefined while that is not all there. */
function readArray(chunk: Buffer, at: number, decide: Decide): { verdict: Verdict; end: number; wordsLeft: number } | undefined {
  const head = readHead(chunk, at, STAR, MOST_WORDS)
  if (head === undefined) return undefined
  let { end } = head
  // Redis passes over a command of no words.
  if (head.value <= 0) return { verdict: Buffer.alloc(0), end, wordsLeft: 0 }
  const words: Buffer[] = []
  for (let index = 0; index < head.value; index += 1) {
    const word = readHead(chunk, end, DOLLAR, LONGEST_WORD)
    if (word === undefined) return undefined
    if (word.end + word.value - at > LOOKED_AT) throw new RedisProtocolError('a command is too long to be looked at')
    if (chunk.length < word.end + word.value + 2) return undefined
    words.push(chunk.subarray(word.end, word.end + word.value))
    end = word.end + word.value + 2
    const verdict = decide(words, head.value)
    if (verdict !== 'more') return { verdict, end, wordsLeft: head.value - index - 1 }
  }
  throw new Error('a whole command was not decided on')
}

/** `*3\r\n`: its number, and where it ends. Undefined while it is not all there. */
function readHead(chunk: Buffer, at: number, type: number, most: number): { value: number; end: number } | undefined {
  if (at >= chunk.length) return undefined
  if (chunk[at] !== type) throw new RedisProtocolError(`expected '${String.fromCharCode(type)}'`)
  let value = 0
  let end = at + 1
  for (; end < chunk.length && chunk[end] !== CR; end += 1) {
    const digit = chunk[end]! - 48
    const isSign = end === at + 1 && chunk[end] === 45 && type === STAR
    if (isSign) {
      value = Number.NaN
      continue
    }
    if (digit < 0 || digit > 9 || end - at > 11) throw new RedisProtocolError('a length is no number')
    value = value * 10 + digit
    if (value > most) throw new RedisProtocolError('a length is too great')
  }
  if (end + 1 >= chunk.length) return undefined
  if (chunk[end + 1] !== LF || end === at + 1) throw new RedisProtocolError('a length is no number')
  return { value: Number.isNaN(value) ? -1 : value, end: end + 2 }
}

/** Words of a line. Quotes are not read: what Redis makes of them is not what it looks like. */
export function readInline(line: string): Buffer[] {
  // oxlint-disable-next-line no-control-regex -- a zero byte ends a line for Redis, and not for others
  if (/["'\\\x00]/.test(line)) throw new RedisProtocolError('an inline command with quotes is not read here')
  if (/ HTTP\/\d|^(?:post|host:)(?: |$)/i.test(line)) throw new RedisProtocolError('this is HTTP')
  return line
    .split(/[ \t\n\v\f\r]+/)
    .filter((word) => word !== '')
    .map((word) => Buffer.from(word, 'latin1'))
}

function decideAll(decide: Decide, words: Buffer[]): Buffer {
  for (let count = 1; count <= words.length; count += 1) {
    const verdict = decide(words.slice(0, count), words.length)
    if (verdict !== 'more') return verdict === 'pass' ? encode(words) : verdict
  }
  throw new Error('a whole command was not decided on')
}

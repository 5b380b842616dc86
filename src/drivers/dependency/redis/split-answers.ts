/** Told at the end of each whole answer: its type's character, and of an error its line. Bytes that it returns go on in place of that error. */
export type OnAnswer = (type: number, error?: Buffer) => Buffer | undefined

export const [ERROR, PUSH] = [45, 62]

/** What the server sent is no answer of RESP2 or RESP3. */
export class RedisAnswerError extends Error {}

const LF = 10
const code = (char: string): number => char.charCodeAt(0)
const [BULK, VERBATIM, BLOB_ERROR] = [...'$=!'].map(code)
const [ARRAY, SET, MAP, ATTRIBUTE] = [...'*~%|'].map(code)
const LINES = new Set([...'+-:,#_('].map(code))

/** Cuts a server's stream into whole answers and hands them on as they come. */
export function createAnswerSplitter(onAnswer: OnAnswer, emit: (bytes: Buffer) => void): (chunk: Buffer) => void {
  let held: Buffer | undefined
  let bytesLeft = 0
  /** How many parts each open array still lacks; the innermost last. */
  let open: number[] = []
  /** Type of the answer that is under way; 0 between answers. */
  let first = 0
  let isAttribute = false

  return (received) => {
    const chunk = held === undefined ? received : Buffer.concat([held, received])
    held = undefined
    let [at, from] = [0, 0]
    const flush = (to: number): void => {
      if (to > from) emit(from === 0 && to === chunk.length ? chunk : chunk.subarray(from, to))
      from = to
    }
    /** One part is whole, and with it perhaps what it was part of. */
    const close = (): void => {
      while (open.length > 0) {
        open[open.length - 1]! -= 1
        if (open.at(-1)! > 0) return
        open.pop()
        // Attributes are followed by the answer that they are of.
        if (open.length === 0 && isAttribute) {
          isAttribute = false
          first = 0
          return
        }
      }
      const type = first
      first = 0
      onAnswer(type)
    }
    while (at < chunk.length) {
      if (bytesLeft > 0) {
        const step = Math.min(bytesLeft, chunk.length - at)
        bytesLeft -= step
        at += step
        if (bytesLeft === 0) close()
        continue
      }
      const end = chunk.indexOf(LF, at)
      if (end < 0) {
        flush(at)
        held = chunk.subarray(at)
        return
      }
      const type = chunk[at]!
      const next = end + 1
      if (LINES.has(type)) {
        if (first === 0) {
          const instead = type === ERROR ? onAnswer(type, chunk.subarray(at, end - 1)) : onAnswer(type)
          if (instead !== undefined) {
            flush(at)
            emit(instead)
            from = next
          }
        } else close()
        at = next
        continue
      }
      const count = readCount(chunk, at + 1, end - 1)
      if (first === 0) first = type
      at = next
      if (type === BULK || type === VERBATIM || type === BLOB_ERROR) {
        if (count < 0) close()
        else bytesLeft = count + 2
        continue
      }
      if (type !== ARRAY && type !== SET && type !== PUSH && type !== MAP && type !== ATTRIBUTE) {
        throw notRedis()
      }
      const parts = type === MAP || type === ATTRIBUTE ? count * 2 : count
      if (type === ATTRIBUTE && open.length === 0) isAttribute = true
      if (type === ATTRIBUTE && open.length > 0) open[open.length - 1]! += 1
      if (parts > 0) open.push(parts)
      else close()
    }
    flush(at)
  }
}

/** A length; -1 for null. */
function readCount(chunk: Buffer, from: number, to: number): number {
  if (chunk[from] === 45 && chunk[from + 1] === 49 && to === from + 2) return -1
  let value = 0
  for (let at = from; at < to; at += 1) {
    const digit = chunk[at]! - 48
    if (digit < 0 || digit > 9) throw notRedis()
    value = value * 10 + digit
  }
  if (to <= from || value > Number.MAX_SAFE_INTEGER) throw notRedis()
  return value
}

function notRedis(): RedisAnswerError {
  return new RedisAnswerError('the server does not speak the protocol of Redis')
}

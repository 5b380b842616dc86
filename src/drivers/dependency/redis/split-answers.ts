/** Told at the end of each whole answer: its first line. Bytes that it returns go on in place of a one-line answer. */
export type OnAnswer = (line: Buffer, isPush: boolean) => Buffer | undefined

/** What the server sent is no answer of RESP2 or RESP3. */
export class RedisAnswerError extends Error {}

const LF = 10
const code = (char: string): number => char.charCodeAt(0)
const [BULK, VERBATIM, BLOB_ERROR] = [...'$=!'].map(code)
const [ARRAY, SET, PUSH, MAP, ATTRIBUTE] = [...'*~>%|'].map(code)
const LINES = new Set([...'+-:,#_('].map(code))

/** Cuts a server's stream into whole answers and hands them on as they come. */
export function createAnswerSplitter(onAnswer: OnAnswer, emit: (bytes: Buffer) => void): (chunk: Buffer) => void {
  let held: Buffer | undefined
  let bytesLeft = 0
  /** How many parts each open array still lacks; the innermost last. */
  let open: number[] = []
  /** The first line of the answer that is under way. */
  let first: Buffer | undefined
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
          first = undefined
          return
        }
      }
      const line = first!
      first = undefined
      onAnswer(line, line[0] === PUSH)
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
        if (first === undefined) {
          const instead = onAnswer(chunk.subarray(at, end - 1), false)
          if (instead !== undefined) {
            flush(at)
            emit(instead)
            from = next
          }
        } else close()
        at = next
        continue
      }
      const count = Number(chunk.toString('latin1', at + 1, end - 1))
      if (!Number.isInteger(count) || count < -1) throw new RedisAnswerError('the server does not speak the protocol of Redis')
      first ??= Buffer.from(chunk.subarray(at, end - 1))
      at = next
      if (type === BULK || type === VERBATIM || type === BLOB_ERROR) {
        if (count < 0) close()
        else bytesLeft = count + 2
        continue
      }
      if (type !== ARRAY && type !== SET && type !== PUSH && type !== MAP && type !== ATTRIBUTE) {
        throw new RedisAnswerError('the server does not speak the protocol of Redis')
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

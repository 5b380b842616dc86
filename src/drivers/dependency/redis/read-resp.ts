/** A value of RESP2 or RESP3, by its type's character; of a value that was too long to be kept the bytes are missing. */
export interface RespValue {
  type: string
  /** What a line or a bulk says; null for a null. */
  text?: Buffer | null
  /** Of an aggregate; a map's keys and values in turn. Null for a null. */
  items?: RespValue[] | null
}

/** What came is not of the protocol. */
export class RespError extends Error {}

const LF = 10
const LONGEST_LINE = 64 * 1024
const MOST_DEPTH = 32
/** What a value takes beside its bytes: many small ones take more memory than they have bytes. */
const VALUE_BYTES = 64
const BULKS = new Set(['$', '=', '!'])
const AGGREGATES = new Set(['*', '~', '%', '>', '|'])
const LINES = new Set(['+', '-', ':', ',', '#', '_', '('])

interface Open {
  type: string
  left: number
  items: RespValue[]
}

/**
 * Reads whole values from a stream as it comes. Of a value with more than `longest` bytes, 64 counted for each that is in it, little is kept, and `isLong` says so.
 * `onLine` is given lines that begin with no type of the protocol (inline commands); without it they are refused. Throws RespError.
 */
export function createRespReader(
  onValue: (value: RespValue, isLong: boolean) => void,
  { longest, onLine }: { longest: number; onLine?(line: string): void },
): (chunk: Buffer) => void {
  let held: Buffer[] = []
  let heldLength = 0
  let needed = 0
  /** Bytes of a bulk that is too long to be kept. */
  let skipped = 0
  let stack: Open[] = []
  let size = 0

  const close = (value: RespValue): void => {
    let done = value
    for (;;) {
      const top = stack.at(-1)
      if (top === undefined) {
        const isLong = size > longest
        size = 0
        return onValue(done, isLong)
      }
      if (size > longest) top.items = []
      else top.items.push(done)
      top.left -= 1
      if (top.left > 0) return
      stack.pop()
      // What attributes say of the value that follows is not of it.
      if (top.type === '|') {
        if (stack.length > 0) stack.at(-1)!.left += 1
        return
      }
      done = { type: top.type, items: size > longest ? [] : top.items }
    }
  }

  return (received) => {
    let chunk = received
    if (heldLength > 0) {
      held.push(chunk)
      heldLength += chunk.length
      if (heldLength < needed) return
      chunk = Buffer.concat(held, heldLength)
      held = []
      heldLength = 0
    }
    let at = 0
    const hold = (until: number): void => {
      held = [chunk.subarray(at)]
      heldLength = chunk.length - at
      needed = until
    }
    while (at < chunk.length) {
      if (skipped > 0) {
        const step = Math.min(skipped, chunk.length - at)
        skipped -= step
        at += step
        if (skipped === 0) close({ type: '$', text: null })
        continue
      }
      const end = chunk.indexOf(LF, at)
      if (end < 0) {
        if (chunk.length - at > LONGEST_LINE) throw new RespError('a line is too long')
        return hold(0)
      }
      const type = String.fromCharCode(chunk[at]!)
      const line = chunk.subarray(at + 1, chunk[end - 1] === 13 && end > at ? end - 1 : end)
      if (!BULKS.has(type) && !AGGREGATES.has(type) && !LINES.has(type)) {
        if (onLine === undefined || stack.length > 0) throw new RespError('it does not speak the protocol of Redis')
        onLine(chunk.toString('latin1', at, at + 1 + line.length))
        at = end + 1
      } else if (LINES.has(type)) {
        size += line.length + VALUE_BYTES
        at = end + 1
        close({ type, text: type === '_' ? null : Buffer.from(line) })
      } else {
        const count = readCount(line)
        if (BULKS.has(type) && count >= 0) {
          const whole = end + 1 + count + 2
          size += count + VALUE_BYTES
          if (size > longest) {
            skipped = count + 2
            at = end + 1
            continue
          }
          if (chunk.length < whole) {
            size -= count + VALUE_BYTES
            return hold(whole - at)
          }
          const text = Buffer.from(chunk.subarray(end + 1, end + 1 + count))
          at = whole
          close({ type, text })
        } else if (BULKS.has(type)) {
          size += VALUE_BYTES
          at = end + 1
          close({ type, text: null })
        } else {
          size += VALUE_BYTES
          at = end + 1
          if (stack.length >= MOST_DEPTH) throw new RespError('an answer is nested too deeply')
          const left = type === '%' || type === '|' ? count * 2 : count
          if (count < 0) close({ type, items: null })
          else if (left === 0 && type === '|') continue
          else if (left === 0) close({ type, items: [] })
          else stack.push({ type, left, items: [] })
        }
      }
    }
  }
}

function readCount(line: Buffer): number {
  const text = line.toString('latin1')
  if (text === '-1') return -1
  const count = Number(text)
  if (!/^\d{1,10}$/.test(text) || count > 512 * 1024 * 1024) throw new RespError('a length is no number')
  return count
}

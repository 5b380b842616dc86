/** What is done with the messages of one direction. */
export interface Watcher {
  /** A message of `length` bytes begins, head and all. Needed `whole`, or passed on as it comes; asked again for a whole one that is not all there. */
  begin(type: number, length: number): 'whole' | 'pass'
  /** A whole message, its head at `at`: what is returned goes on in its place, or it does itself. Called for each query: no piece is cut out for it. */
  whole(type: number, bytes: Buffer, at: number, end: number): Buffer | undefined
}

/** What was sent is no message of the protocol, or one that is too long to be looked at. */
export class ProtocolError extends Error {
  readonly code: string
  constructor(message: string, code = '08P01') {
    super(message)
    this.code = code
  }
}

/** Type and length. */
export const HEAD = 5
/** Of a message that is needed whole. */
const LONGEST = 16 * 1024 * 1024

/** Cuts a stream of bytes into messages and hands on what passes, in as few pieces as may be. Throws ProtocolError. */
export function createSplitter(watcher: Watcher, emit: (bytes: Buffer) => void): (chunk: Buffer) => void {
  /** Bytes of a message that passes as it comes. */
  let left = 0
  let held: Buffer[] = []
  let heldLength = 0
  let needed = 0

  const hold = (bytes: Buffer, until: number): void => {
    held = [bytes]
    heldLength = bytes.length
    needed = until
  }
  return (received) => {
    let chunk = received
    if (needed > 0) {
      held.push(chunk)
      heldLength += chunk.length
      if (heldLength < needed) return
      chunk = Buffer.concat(held, heldLength)
      held = []
      needed = 0
    }
    let [at, from] = [0, 0]
    const flush = (): void => {
      if (at > from) emit(from === 0 && at === chunk.length ? chunk : chunk.subarray(from, at))
    }
    while (at < chunk.length) {
      const rest = chunk.length - at
      if (left > 0) {
        const passed = Math.min(left, rest)
        left -= passed
        at += passed
        continue
      }
      if (rest < HEAD) {
        flush()
        return hold(chunk.subarray(at), HEAD)
      }
      const type = chunk[at]!
      const length = 1 + chunk.readInt32BE(at + 1)
      if (length < HEAD) throw new ProtocolError('a message says that it has no length')
      if (watcher.begin(type, length) === 'pass') {
        left = length
        continue
      }
      if (length > LONGEST) throw new ProtocolError(`a message of ${length} bytes is too long to be looked at`, '54000')
      if (rest < length) {
        flush()
        return hold(chunk.subarray(at), length)
      }
      const next = watcher.whole(type, chunk, at, at + length)
      if (next !== undefined) {
        flush()
        emit(next)
        from = at + length
      }
      at += length
    }
    flush()
  }
}

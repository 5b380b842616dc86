import { MalformedError, findHeadEnd, parseFields } from './head.ts'
import type { BodyReader } from './message.ts'

const MAX_SIZE_LINE = 256
const MAX_TRAILERS = 16_384
const SIZE_LINE = /^([0-9A-Fa-f]{1,12})(?:;[!#$%&'*+\-.^_`|~0-9A-Za-z]+(?:=[!#$%&'*+\-.^_`|~0-9A-Za-z]+)?)*$/
const MAX_TRAILER_FIELDS = 200
const FRAMING = /^(content-length|transfer-encoding)$/i
const EMPTY = Buffer.alloc(0)

/** Takes a body out of the bytes of a connection. */
export interface BodyDecoder {
  readonly isDone: boolean
  /** Hands the body's bytes in `chunk` to `reader`; returns what comes after the body, once that is done. Throws MalformedError. */
  push(chunk: Buffer, reader: BodyReader): Buffer | undefined
}

/** A body of a known length. */
export class LengthDecoder implements BodyDecoder {
  isDone = false
  private left: number

  constructor(length: number) {
    this.left = length
  }

  push(chunk: Buffer, reader: BodyReader): Buffer | undefined {
    if (chunk.length < this.left) {
      this.left -= chunk.length
      reader.onData(chunk)
      return undefined
    }
    const { left } = this
    this.left = 0
    this.isDone = true
    if (left > 0) reader.onData(left === chunk.length ? chunk : chunk.subarray(0, left))
    reader.onEnd([])
    return left === chunk.length ? undefined : chunk.subarray(left)
  }
}

/** A body that lasts until the connection ends. */
export class CloseDecoder implements BodyDecoder {
  readonly isDone = false

  push(chunk: Buffer, reader: BodyReader): undefined {
    reader.onData(chunk)
  }
}

/** A chunked body with its trailers (RFC 9112, 7.1). Extensions are read over, if they are plain tokens. */
export class ChunkedDecoder implements BodyDecoder {
  isDone = false
  private state: 'size' | 'data' | 'data end' | 'trailers' = 'size'
  private left = 0
  /** The beginning of a line that has not ended yet. */
  private kept: Buffer = EMPTY

  push(chunk: Buffer, reader: BodyReader): Buffer | undefined {
    let bytes = this.kept.length > 0 ? Buffer.concat([this.kept, chunk]) : chunk
    this.kept = EMPTY
    while (bytes.length > 0) {
      if (this.state === 'data') {
        const part = bytes.length > this.left ? bytes.subarray(0, this.left) : bytes
        this.left -= part.length
        bytes = bytes.subarray(part.length)
        if (this.left === 0) this.state = 'data end'
        reader.onData(part)
        continue
      }
      const taken =
        this.state === 'size'
          ? this.takeSize(bytes)
          : this.state === 'data end'
            ? takeLineBreak(bytes)
            : this.takeTrailers(bytes, reader)
      if (taken === 0) {
        this.kept = bytes
        return undefined
      }
      if (this.state === 'data end') this.state = 'size'
      else if (this.state === 'size') this.state = this.left > 0 ? 'data' : 'trailers'
      bytes = bytes.subarray(taken)
      if (this.isDone) return bytes.length > 0 ? bytes : undefined
    }
    return undefined
  }

  private takeSize(bytes: Buffer): number {
    const end = bytes.indexOf(10)
    if (end === -1 || end > MAX_SIZE_LINE) {
      if (bytes.length > MAX_SIZE_LINE) throw new MalformedError("the line with a chunk's size is too long")
      return 0
    }
    const line = bytes[end - 1] === 13 ? SIZE_LINE.exec(bytes.toString('latin1', 0, end - 1)) : null
    if (!line) throw new MalformedError('a chunk does not begin with its size')
    this.left = Number.parseInt(line[1]!, 16)
    return end + 1
  }

  private takeTrailers(bytes: Buffer, reader: BodyReader): number {
    if (bytes[0] === 13 && bytes.length === 1) return 0
    if (bytes[0] === 13 && bytes[1] === 10) {
      this.isDone = true
      reader.onEnd([])
      return 2
    }
    const end = findHeadEnd(bytes, 0)
    if (end > MAX_TRAILERS || (end === -1 && bytes.length > MAX_TRAILERS))
      throw new MalformedError('the trailers are too long', 431)
    if (end === -1) return 0
    const trailers = parseFields(bytes.toString('latin1', 0, end), 0, MAX_TRAILER_FIELDS)
    if (trailers.some((name, index) => index % 2 === 0 && FRAMING.test(name)))
      throw new MalformedError('a trailer says how long a body is')
    this.isDone = true
    reader.onEnd(trailers)
    return end + 4
  }
}

function takeLineBreak(bytes: Buffer): number {
  if (bytes[0] !== 13 || (bytes.length > 1 && bytes[1] !== 10)) throw new MalformedError('a chunk is longer than its size')
  return bytes.length > 1 ? 2 : 0
}

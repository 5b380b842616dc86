import { constants, inflateRawSync } from 'node:zlib'
import type { CapturedMessage } from './build-entry.ts'

/** A message of a WebSocket; pings and pongs are told too, fragments are put together. */
export interface Frame {
  /** 1 text, 2 binary, 8 close, 9 ping, 10 pong. */
  opcode: number
  data: Buffer
}

const NO_WEBSOCKET = 'the bytes are not those of a WebSocket'
const LARGEST_MESSAGE = 8 * 1024 * 1024
const DEFLATE_TAIL = Buffer.from([0, 0, 0xff, 0xff])
const DEFLATE_WINDOW = 32 * 1024

/** Reads one direction of a WebSocket; compressed messages (permessage-deflate) are inflated. */
export class FrameReader {
  #rest: Buffer = Buffer.alloc(0)
  #parts: Buffer[] = []
  #partsSize = 0
  #opcode = 0
  #isDeflated = false
  #window: Buffer = Buffer.alloc(0)

  /** Whether what came so far ends with a message. */
  get isWhole(): boolean {
    return this.#rest.length === 0 && this.#parts.length === 0
  }

  /** The messages that a chunk completes. Throws when the bytes are not WebSocket's, or a message is larger than 8 MiB. */
  add(chunk: Buffer): Frame[] {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    const frames: Frame[] = []
    for (let head = this.#head(); head !== undefined; head = this.#head()) {
      const end = head.start + head.length
      if (this.#rest.length < end) break
      const payload = unmask(this.#rest.subarray(head.start, end), head.mask)
      this.#rest = this.#rest.subarray(end)
      const frame = head.opcode >= 8 ? { opcode: head.opcode, data: payload } : this.#fragment(head, payload)
      if (frame !== undefined) frames.push(frame)
    }
    return frames
  }

  #head():
    | { isFinal: boolean; isDeflated: boolean; opcode: number; mask: Buffer | undefined; start: number; length: number }
    | undefined {
    const bytes = this.#rest
    if (bytes.length < 2) return undefined
    const [first = 0, second = 0] = bytes
    const short = second & 0x7f
    const extended = short === 126 ? 2 : short === 127 ? 8 : 0
    const maskAt = 2 + extended
    const start = maskAt + (second >= 0x80 ? 4 : 0)
    if (bytes.length < start) return undefined
    const length = extended === 0 ? short : extended === 2 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2))
    const isControl = (first & 0x08) !== 0
    if ((first & 0x30) !== 0 || (isControl && (first < 0x80 || extended > 0))) throw new Error(NO_WEBSOCKET)
    if (length > LARGEST_MESSAGE) throw new Error('a message is too large to be looked at')
    const mask = second >= 0x80 ? bytes.subarray(maskAt, start) : undefined
    return { isFinal: first >= 0x80, isDeflated: (first & 0x40) !== 0, opcode: first & 0x0f, mask, start, length }
  }

  #fragment(head: { isFinal: boolean; isDeflated: boolean; opcode: number }, payload: Buffer): Frame | undefined {
    if (head.opcode > 2 || (head.opcode === 0) !== this.#parts.length > 0) throw new Error(NO_WEBSOCKET)
    if (head.opcode !== 0) [this.#opcode, this.#isDeflated] = [head.opcode, head.isDeflated]
    this.#parts.push(payload)
    this.#partsSize += payload.length
    if (this.#partsSize > LARGEST_MESSAGE) throw new Error('a message is too large to be looked at')
    if (!head.isFinal) return undefined
    const whole = Buffer.concat(this.#parts)
    this.#parts = []
    this.#partsSize = 0
    return { opcode: this.#opcode, data: this.#isDeflated ? this.#inflate(whole) : whole }
  }

  #inflate(payload: Buffer): Buffer {
    const data = inflateRawSync(Buffer.concat([payload, DEFLATE_TAIL]), {
      finishFlush: constants.Z_SYNC_FLUSH,
      maxOutputLength: LARGEST_MESSAGE,
      ...(this.#window.length > 0 && { dictionary: this.#window }),
    })
    this.#window = Buffer.concat([this.#window, data]).subarray(-DEFLATE_WINDOW)
    return data
  }
}

/** One unmasked frame, as a server sends it. */
export function serverFrame({ opcode, data }: Frame): Buffer {
  const extended = data.length < 126 ? 0 : data.length < 65_536 ? 2 : 8
  const head = Buffer.alloc(2 + extended)
  head[0] = 0x80 | opcode
  head[1] = extended === 0 ? data.length : extended === 2 ? 126 : 127
  if (extended === 2) head.writeUInt16BE(data.length, 2)
  if (extended === 8) head.writeBigUInt64BE(BigInt(data.length), 2)
  return Buffer.concat([head, data])
}

export function closeFrame(code: number, reason: string): Frame {
  const data = Buffer.alloc(2)
  data.writeUInt16BE(code)
  return { opcode: 8, data: Buffer.concat([data, Buffer.from(reason).subarray(0, 120)]) }
}

/** A message as it is recorded; undefined for pings and pongs. Of a close the data is `1000 reason`. */
export function capturedMessage(type: CapturedMessage['type'], { opcode, data }: Frame): CapturedMessage | undefined {
  if (opcode > 8) return undefined
  if (opcode !== 8) return { type, opcode, data }
  const code = data.length >= 2 ? String(data.readUInt16BE(0)) : ''
  return { type, opcode, data: Buffer.from(`${code} ${data.subarray(2).toString('utf8')}`.trim()) }
}

function unmask(payload: Buffer, mask: Buffer | undefined): Buffer {
  if (mask === undefined) return Buffer.from(payload)
  const plain = Buffer.alloc(payload.length)
  for (let at = 0; at < payload.length; at++) plain[at] = (payload[at] ?? 0) ^ (mask[at & 3] ?? 0)
  return plain
}

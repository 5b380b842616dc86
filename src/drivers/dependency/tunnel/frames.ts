import { randomBytes } from 'node:crypto'

/** Opcodes of RFC 6455. */
export const OPCODE = { more: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const

/** What comes out of a stream of frames. */
export interface FrameReader {
  /** Bytes of a message, as they come; `isStart` for the first ones. Never empty unless the message is. */
  data(bytes: Buffer, isStart: boolean): void
  control(opcode: number, payload: Buffer): void
}

const LONGEST_CONTROL = 125

/** Reads the frames of a server, which are not masked. Throws for what is none. */
export function createFrameParser(reader: FrameReader): (chunk: Buffer) => void {
  let held: Buffer | undefined
  let left = 0
  let isStart = false

  return (received) => {
    const chunk = held === undefined ? received : Buffer.concat([held, received])
    held = undefined
    let at = 0
    while (at < chunk.length) {
      if (left > 0) {
        const end = Math.min(chunk.length, at + left)
        left -= end - at
        reader.data(chunk.subarray(at, end), isStart)
        isStart = false
        at = end
        continue
      }
      const head = readHead(chunk, at)
      if (head === undefined) break
      if (head.opcode >= OPCODE.close) {
        if (head.length > LONGEST_CONTROL) throw new Error('a control frame is too long')
        if (chunk.length < head.end + head.length) break
        reader.control(head.opcode, chunk.subarray(head.end, head.end + head.length))
        at = head.end + head.length
        continue
      }
      isStart = head.opcode !== OPCODE.more
      left = head.length
      at = head.end
    }
    if (at < chunk.length) held = chunk.subarray(at)
  }
}

function readHead(chunk: Buffer, at: number): { opcode: number; length: number; end: number } | undefined {
  if (chunk.length < at + 2) return undefined
  const [first, second] = [chunk[at]!, chunk[at + 1]!]
  if ((first & 0x70) !== 0 || (second & 0x80) !== 0) throw new Error('the API server sent a frame that was not agreed on')
  const opcode = first & 0x0f
  const short = second & 0x7f
  if (short < 126) return { opcode, length: short, end: at + 2 }
  if (short === 126) return chunk.length < at + 4 ? undefined : { opcode, length: chunk.readUInt16BE(at + 2), end: at + 4 }
  if (chunk.length < at + 10) return undefined
  const length = chunk.readBigUInt64BE(at + 2)
  if (length > BigInt(Number.MAX_SAFE_INTEGER)) throw new Error('a frame is too long')
  return { opcode, length: Number(length), end: at + 10 }
}

/** A frame of a client, masked; `prefix` is the payload's first byte, if it has one of its own. */
export function frame(opcode: number, payload: Buffer, prefix?: number): Buffer {
  const extra = prefix === undefined ? 0 : 1
  const length = payload.length + extra
  const lengthBytes = length < 126 ? 0 : length < 65_536 ? 2 : 8
  const start = 2 + lengthBytes + 4
  const bytes = Buffer.allocUnsafe(start + length)
  bytes[0] = 0x80 | opcode
  bytes[1] = 0x80 | (lengthBytes === 0 ? length : lengthBytes === 2 ? 126 : 127)
  if (lengthBytes === 2) bytes.writeUInt16BE(length, 2)
  if (lengthBytes === 8) bytes.writeBigUInt64BE(BigInt(length), 2)
  const mask = randomBytes(4)
  mask.copy(bytes, start - 4)
  if (prefix !== undefined) bytes[start] = prefix ^ mask[0]!
  const [a, b, c, d] = [mask[extra & 3]!, mask[(1 + extra) & 3]!, mask[(2 + extra) & 3]!, mask[(3 + extra) & 3]!]
  let to = start + extra
  let at = 0
  for (; at + 3 < payload.length; at += 4, to += 4) {
    bytes[to] = payload[at]! ^ a
    bytes[to + 1] = payload[at + 1]! ^ b
    bytes[to + 2] = payload[at + 2]! ^ c
    bytes[to + 3] = payload[at + 3]! ^ d
  }
  for (; at < payload.length; at += 1, to += 1) bytes[to] = payload[at]! ^ mask[(at + extra) & 3]!
  return bytes
}

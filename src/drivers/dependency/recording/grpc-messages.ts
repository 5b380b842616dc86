import { decodeContent } from './decode-content.ts'
import { LARGEST_LOOKED_AT } from './keep-body.ts'

/** Takes gRPC's length-prefixed messages out of one direction of a call, decompressed. */
export class MessageReader {
  readonly #coding: () => string
  #rest: Buffer = Buffer.alloc(0)

  /** `coding` tells the `grpc-encoding` of this direction. */
  constructor(coding: () => string) {
    this.#coding = coding
  }

  /** The messages that a chunk completes. Throws when one is too large to be looked at or cannot be decompressed. */
  add(chunk: Buffer): Buffer[] {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    const messages: Buffer[] = []
    while (this.#rest.length >= 5) {
      const length = this.#rest.readUInt32BE(1)
      if (length > LARGEST_LOOKED_AT) throw new Error('a message is too large to be looked at')
      if (this.#rest.length < 5 + length) break
      const message = this.#rest.subarray(5, 5 + length)
      messages.push(this.#rest[0] === 0 ? message : this.#decompressed(message))
      this.#rest = this.#rest.subarray(5 + length)
    }
    return messages
  }

  #decompressed(message: Buffer): Buffer {
    const plain = decodeContent(message, [this.#coding()], LARGEST_LOOKED_AT)
    if ('why' in plain) throw new Error(`a message cannot be looked at: ${plain.why}`)
    return plain
  }
}

/** A message as it stands on the wire, uncompressed. */
export function framed(message: Buffer): Buffer {
  const head = Buffer.alloc(5)
  head.writeUInt32BE(message.length, 1)
  return Buffer.concat([head, message])
}

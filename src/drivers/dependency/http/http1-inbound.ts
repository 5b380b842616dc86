import type { Duplex } from 'node:stream'
import type { RawHeaders, ResponseHead } from '../exchange.ts'
import { ChunkedDecoder, LengthDecoder, type BodyDecoder } from './body-decoder.ts'
import { headerOf } from './head.ts'
import type { BodyLength, BodyReader, Inbound } from './message.ts'
import type { Outlet } from './outlet.ts'
import { chunkStart, chunkedEnd, interimText, responseText } from './write-head.ts'

/** What is left of a body when its answer is given is read over up to here, for the sake of the connection. */
const MAX_SKIPPED = 65_536
const PROBE_AGAIN_MS = 25

/** What a request needs of the connection that it came by. */
export interface RequestConnection {
  readonly socket: Duplex
  readonly outlet: Outlet
  readonly isSecure: boolean
  readonly remoteAddress: string | undefined
  /** No request is read after the present one. */
  isLast: boolean
  /** The client has ended its side, and nothing that it sent is left. */
  readonly isEndOfInput: boolean
  /** Goes on with what was read already, and with reading. */
  resume(): void
  /** The present request was answered whole, and its body was read or is of no interest. */
  finish(): void
  /** Gives the connection away; what was read of the other protocol comes with it. */
  release(): { socket: Duplex; rest: Buffer | undefined }
  destroy(): void
}

export interface RequestParts {
  version: '1.0' | '1.1'
  method: string
  target: string
  authority: string
  headers: string[]
  bodyLength: BodyLength
  upgrade: string | undefined
}

/** One request on a connection of a service. */
export class Http1Inbound implements Inbound {
  readonly version: '1.0' | '1.1'
  readonly method: string
  readonly target: string
  readonly authority: string
  readonly headers: RawHeaders
  readonly upgrade: string | undefined
  readonly bodyLength: BodyLength
  private readonly connection: RequestConnection
  private readonly decoder: BodyDecoder | undefined
  private reader: BodyReader | undefined
  private listener: { onDrain(): void; onGone(): void } | undefined
  private isPaused = false
  private isBodyBegun = false
  private isBodyRead: boolean
  private isAnswerBegun = false
  private isAnswered = false
  private isChunked = false

  constructor(connection: RequestConnection, parts: RequestParts) {
    this.connection = connection
    this.version = parts.version
    this.method = parts.method
    this.target = parts.target
    this.authority = parts.authority
    this.headers = parts.headers
    this.upgrade = parts.upgrade
    this.bodyLength = parts.bodyLength
    if (this.bodyLength === 'unknown') this.decoder = new ChunkedDecoder()
    else if (this.bodyLength !== 'none' && this.bodyLength > 0) this.decoder = new LengthDecoder(this.bodyLength)
    this.isBodyRead = this.decoder === undefined
  }

  get isSecure(): boolean {
    return this.connection.isSecure
  }

  get remoteAddress(): string | undefined {
    return this.connection.remoteAddress
  }

  /** Whether the next bytes of the connection are this body's and are wanted now. */
  get wantsBody(): boolean {
    return !this.isBodyRead && !this.isPaused && this.reader !== undefined
  }

  /** Whether the body waits for whoever reads it. */
  get isHolding(): boolean {
    return !this.isBodyRead
  }

  /** Reads body bytes; returns what is not the body's. */
  take(bytes: Buffer): Buffer | undefined {
    const { decoder, reader } = this
    if (!decoder || !reader) return bytes
    this.isBodyBegun = true
    const rest = decoder.push(bytes, reader)
    if (decoder.isDone) {
      this.isBodyRead = true
      this.finishIfDone()
    }
    return rest
  }

  read(reader: BodyReader): void {
    this.reader = reader
    if (this.isBodyRead) reader.onEnd([])
    else this.connection.resume()
  }

  pause(): void {
    this.isPaused = true
    this.connection.socket.pause()
  }

  resume(): void {
    if (!this.isPaused) return
    this.isPaused = false
    this.connection.resume()
  }

  listen(listener: { onDrain(): void; onGone(): void }): void {
    this.listener = listener
  }

  inform(head: ResponseHead): void {
    if (this.version === '1.1' && !this.isAnswerBegun) this.connection.outlet.write(interimText(head))
  }

  respond(head: ResponseHead, length: BodyLength): void {
    this.isAnswerBegun = true
    if (!this.isBodyRead && !this.canSkip() && (this.reader === undefined || !this.isBodyBegun)) this.connection.isLast = true
    const isUntilClose = length === 'unknown' && this.version === '1.0'
    if (isUntilClose) this.connection.isLast = true
    this.isChunked = length === 'unknown' && !isUntilClose
    const isLast = this.connection.isLast || this.connection.isEndOfInput
    this.connection.outlet.write(responseText(head, length, this.version, isLast))
  }

  write(chunk: Buffer): boolean {
    const { outlet } = this.connection
    if (chunk.length === 0) return true
    if (!this.isChunked) return outlet.write(chunk)
    outlet.write(chunkStart(chunk.length))
    outlet.write(chunk)
    return outlet.write('\r\n')
  }

  end(trailers: RawHeaders): void {
    if (this.isChunked) this.connection.outlet.write(chunkedEnd(trailers))
    this.isAnswered = true
    if (!this.isBodyRead) {
      if (this.canSkip()) this.skip()
      else {
        this.connection.isLast = true
        this.isBodyRead = true
      }
    }
    this.finishIfDone()
  }

  reset(): void {
    this.listener = undefined
    this.connection.outlet.flush()
    this.connection.destroy()
  }

  upgradeTo(head: ResponseHead): { socket: Duplex; rest: Buffer | undefined } {
    this.connection.outlet.write(interimText(head, this.upgrade))
    this.connection.outlet.flush()
    this.listener = undefined
    return this.connection.release()
  }

  onDrain(): void {
    this.listener?.onDrain()
  }

  onGone(): void {
    const { listener } = this
    this.listener = undefined
    if (!this.isAnswered) listener?.onGone()
  }

  /** The body is not what its framing says: whoever serves it is told that the client is gone. Returns whether it can still be answered. */
  abandon(): boolean {
    this.onGone()
    this.isBodyRead = true
    return !this.isAnswerBegun
  }

  /**
   * The client ended its side. In the middle of a body or of the answer it is gone. Between the two it may have closed half or all, and
   * interim answers tell: a closed connection resets at the first, and the second finds it reset.
   */
  onHalfClosed(): void {
    if (!this.isBodyRead || this.isAnswerBegun) return this.connection.destroy()
    this.probe()
    setTimeout(() => this.probe(), PROBE_AGAIN_MS).unref()
  }

  private probe(): void {
    if (this.isAnswerBegun || this.version === '1.0') return
    this.connection.outlet.write('HTTP/1.1 100 Continue\r\n\r\n')
  }

  private canSkip(): boolean {
    return typeof this.bodyLength === 'number' && this.bodyLength <= MAX_SKIPPED && headerOf(this.headers, 'expect') === undefined
  }

  private skip(): void {
    this.reader = { onData() {}, onEnd() {} }
    this.isPaused = false
    this.connection.resume()
  }

  private finishIfDone(): void {
    if (!this.isAnswered || !this.isBodyRead) return
    this.listener = undefined
    this.connection.finish()
  }
}

import { constants, createServer, type Http2Server, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2'
import type { Duplex } from 'node:stream'
import type { RawHeaders, ResponseHead } from '../exchange.ts'
import { MalformedError, isFieldValue, isToken } from './head.ts'
import { sendTrailers, toHttp2Headers, toRawHeaders } from './http2-headers.ts'
import type { BodyLength, BodyReader, Inbound } from './message.ts'
import { readTarget } from './target.ts'

const WINDOW = 1_048_576

/** Serves HTTP/2 on connections that are handed to it. */
export function createHttp2Side(options: {
  serve(inbound: Inbound): void
  refuse(inbound: Inbound, error: MalformedError): void
  /** A mistake in the proxy's own code; it has cost a stream. */
  onDefect(error: unknown): void
  maxHeadBytes: number
}): { serve(socket: Duplex): void; close(): void } {
  const server: Http2Server = createServer({
    settings: { initialWindowSize: WINDOW, maxHeaderListSize: options.maxHeadBytes, maxConcurrentStreams: 1_000 },
    maxSessionInvalidFrames: 100,
  })
  server.on('session', (session) => {
    session.setLocalWindowSize(16 * WINDOW)
    session.on('error', () => session.destroy()) // its streams close, and tell
  })
  server.on('sessionError', () => {}) // told above
  server.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, flags: number, raw?: string[]) => {
    stream.on('error', () => {}) // 'close' follows
    const isSecure = stream.session?.encrypted === true
    const inbound = new Http2Inbound(
      stream,
      headers,
      toRawHeaders(raw ?? []),
      (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0,
      isSecure,
    )
    try {
      inbound.check()
      options.serve(inbound)
    } catch (error) {
      if (error instanceof MalformedError) return options.refuse(inbound, error)
      options.onDefect(error)
      inbound.reset()
    }
  })
  return {
    serve: (socket) => void server.emit('connection', socket),
    close: () => void server.close(),
  }
}

class Http2Inbound implements Inbound {
  readonly version = '2.0'
  readonly method: string
  target: string
  readonly authority: string
  readonly headers: RawHeaders
  readonly upgrade = undefined
  readonly bodyLength: BodyLength
  readonly isSecure: boolean
  private readonly stream: ServerHttp2Stream
  private listener: { onDrain(): void; onGone(): void } | undefined
  private isBodyRead: boolean
  private isAnswered = false
  private isBodiless = false
  private trailers: RawHeaders = []
  private received: string[] = []

  constructor(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, raw: string[], isEnded: boolean, isSecure: boolean) {
    this.stream = stream
    this.method = headers[':method'] ?? ''
    this.target = headers[':path'] ?? ''
    this.authority = headers[':authority'] ?? (headers['host'] as string | undefined) ?? ''
    this.headers = joinCookies(raw)
    const said = headers['content-length']
    this.bodyLength = isEnded ? 'none' : said === undefined ? 'unknown' : Number(said)
    this.isBodyRead = isEnded
    this.isSecure = isSecure
    stream.on('trailers', (_trailers: unknown, _flags: number, given: string[]) => (this.received = toRawHeaders(given)))
    stream.on('drain', () => this.listener?.onDrain())
    stream.once('close', () => {
      const { listener } = this
      this.listener = undefined
      if (!this.isAnswered || stream.rstCode !== 0) listener?.onGone()
    })
  }

  /** Throws MalformedError for what HTTP/1.1 could not say either. */
  check(): void {
    if (!/^[\x21\x22\x24-\x7e]+$/.test(this.target)) throw new MalformedError('the path has characters that no path has')
    this.target = readTarget(this.method, this.target).target
    for (let index = 0; index < this.headers.length; index += 2)
      if (!isToken(this.headers[index]!) || !isFieldValue(this.headers[index + 1]!))
        throw new MalformedError('a header has characters that no header has')
  }

  get remoteAddress(): string | undefined {
    return this.stream.session?.socket.remoteAddress
  }

  read(reader: BodyReader): void {
    const { stream } = this
    if (this.isBodyRead) return reader.onEnd([])
    stream.on('data', (chunk: Buffer) => reader.onData(chunk))
    stream.once('end', () => {
      this.isBodyRead = true
      if (!stream.aborted && !stream.destroyed) reader.onEnd(this.received)
    })
  }

  pause(): void {
    this.stream.pause()
  }

  resume(): void {
    this.stream.resume()
  }

  listen(listener: { onDrain(): void; onGone(): void }): void {
    this.listener = listener
  }

  inform({ status, headers }: ResponseHead): void {
    if (this.stream.headersSent || this.stream.destroyed || status === 100) return
    try {
      this.stream.additionalHeaders(toHttp2Headers(headers, { ':status': status }))
    } catch {
      // Node does not take them; the answer itself follows.
    }
  }

  respond({ status, headers }: ResponseHead, length: BodyLength): void {
    if (this.stream.destroyed) return
    const own = { ':status': status, ...(typeof length === 'number' && { 'content-length': String(length) }) }
    // gRPC reads an answer of trailers only from one frame of headers that ends the stream.
    this.isBodiless = length === 'none'
    try {
      this.stream.respond(toHttp2Headers(headers, own), { endStream: this.isBodiless, waitForTrailers: !this.isBodiless })
    } catch {
      // Node does not take these headers: the service sees a stream that broke.
      return void this.stream.close(constants.NGHTTP2_INTERNAL_ERROR)
    }
    this.stream.once('wantTrailers', () => sendTrailers(this.stream, this.trailers))
  }

  write(chunk: Buffer): boolean {
    return this.stream.destroyed || this.stream.write(chunk)
  }

  end(trailers: RawHeaders): void {
    this.isAnswered = true
    this.trailers = trailers
    if (this.stream.destroyed) return
    if (!this.isBodiless) this.stream.end()
    // RFC 9113, 8.1: the answer is whole, what is left of the request is not wanted.
    if (!this.isBodyRead) this.stream.once('finish', () => this.stream.close(constants.NGHTTP2_NO_ERROR))
    this.stream.resume()
  }

  reset(): void {
    this.listener = undefined
    this.stream.close(constants.NGHTTP2_INTERNAL_ERROR)
  }

  upgradeTo(): never {
    throw new Error('HTTP/2 has no upgrades')
  }
}

/** HTTP/2 may send a cookie in pieces; in HTTP/1.1 it is one header (RFC 9113, 8.2.3). */
function joinCookies(raw: string[]): string[] {
  const cookies: string[] = []
  const others: string[] = []
  for (let index = 0; index < raw.length; index += 2) {
    if (raw[index] === 'cookie') cookies.push(raw[index + 1]!)
    else if (raw[index] !== 'host') others.push(raw[index]!, raw[index + 1]!)
  }
  return cookies.length > 0 ? [...others, 'cookie', cookies.join('; ')] : others
}

import { connect, constants, type ClientHttp2Session, type ClientHttp2Stream, type IncomingHttpHeaders } from 'node:http2'
import type { Dialer } from './dial.ts'
import { FailureError, type Failure } from './failure.ts'
import { endToEnd } from './hop-by-hop.ts'
import type { Outbound, OutboundHead, OutboundListener } from './message.ts'
import { sendTrailers, toHttp2Headers, toRawHeaders } from './http2-headers.ts'
import { brokenFailure, invalidAnswer } from './upstream-failure.ts'
import type { UpstreamPool } from './upstream-pool.ts'

const WINDOW = 1_048_576

/** One HTTP/2 connection to an upstream, made again when it ends; streams share it. */
export function createHttp2Pool(dialer: Dialer): UpstreamPool {
  const sessions = new Set<ClientHttp2Session>()
  let current: Promise<ClientHttp2Session> | undefined
  const closing = new AbortController()

  const open = async (connectMs: number): Promise<ClientHttp2Session> => {
    const socket = await dialer.dial('h2', connectMs, closing.signal)
    const session = connect(dialer.upstream.url.origin.replace(/^(?!https?:)[a-z]+:/, 'http:'), {
      createConnection: () => socket,
      settings: { initialWindowSize: WINDOW, enablePush: false },
    })
    session.setLocalWindowSize(16 * WINDOW)
    sessions.add(session)
    const forget = (): void => {
      if (current === opened) current = undefined
    }
    const opened = current
    session.once('goaway', forget)
    session.once('close', () => {
      forget()
      sessions.delete(session)
    })
    session.on('error', forget) // each stream is told by itself
    return session
  }
  const session = (connectMs: number): Promise<ClientHttp2Session> => {
    current ??= Promise.resolve().then(() => open(connectMs))
    const mine = current
    mine.catch(() => {
      if (current === mine) current = undefined
    })
    return mine
  }

  return {
    get openConnections() {
      return sessions.size
    },
    send: (head, listener, { connectMs }) => new Http2Outbound(session(connectMs), dialer, head, listener),
    close() {
      for (const one of sessions) one.close()
      current = undefined
    },
    destroy() {
      closing.abort()
      for (const one of sessions) one.destroy()
    },
  }
}

/** One request as a stream of HTTP/2. */
class Http2Outbound implements Outbound {
  private stream: ClientHttp2Stream | undefined
  private listener: OutboundListener | undefined
  private readonly dialer: Dialer
  private waiting: Buffer[] = []
  private atEnd: readonly string[] | undefined
  private isPaused = false
  private trailers: string[] = []

  constructor(session: Promise<ClientHttp2Session>, dialer: Dialer, head: OutboundHead, listener: OutboundListener) {
    this.dialer = dialer
    this.listener = listener
    session
      .then((open) => this.begin(open, head))
      .catch((error: unknown) => {
        if (error instanceof FailureError) return this.fail(error.failure, true)
        // Node takes no such headers: this request fails, and nothing else.
        this.stream?.close(constants.NGHTTP2_CANCEL)
        this.fail(brokenFailure(dialer.upstream, error as Error))
      })
  }

  write(chunk: Buffer): boolean {
    if (this.stream) return this.stream.write(chunk)
    this.waiting.push(chunk)
    return false
  }

  end(trailers: readonly string[]): void {
    this.atEnd = trailers
    this.stream?.end()
  }

  pause(): void {
    this.isPaused = true
    this.stream?.pause()
  }

  resume(): void {
    this.isPaused = false
    this.stream?.resume()
  }

  cancel(): void {
    this.listener = undefined
    this.stream?.close(constants.NGHTTP2_CANCEL)
  }

  private begin(session: ClientHttp2Session, head: OutboundHead): void {
    if (this.listener === undefined) return
    if (session.closed || session.destroyed) return this.fail(brokenFailure(this.dialer.upstream, undefined), true)
    this.listener.onConnected()
    const headers = toHttp2Headers(head.headers, {
      ':method': head.method,
      ':path': head.target,
      ':scheme': this.dialer.upstream.url.protocol === 'https:' ? 'https' : 'http',
      ':authority': head.authority,
      ...(typeof head.bodyLength === 'number' && { 'content-length': String(head.bodyLength) }),
      te: 'trailers',
    })
    const stream = session.request(headers, { endStream: head.bodyLength === 'none', waitForTrailers: true })
    this.stream = stream
    stream.on('wantTrailers', () => sendTrailers(stream, this.atEnd ?? []))
    stream.on('headers', (interim: IncomingHttpHeaders, _flags: number, raw: string[]) =>
      this.listener?.onInterim(answerOf(interim, raw)),
    )
    stream.once('response', (answer: IncomingHttpHeaders, flags: number, raw: string[]) => {
      const said = answer['content-length']
      // With the stream's end (gRPC's answer of trailers only) there is nothing to come.
      const isBodiless = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0
      const length = isBodiless ? 'none' : said === undefined ? 'unknown' : Number(said)
      this.listener?.onAnswer(answerOf(answer, raw), length)
      this.readBody(stream)
    })
    stream.on('trailers', (_trailers: unknown, _flags: number, raw: string[]) => (this.trailers = toRawHeaders(raw)))
    stream.on('drain', () => this.listener?.onOutboundDrain())
    stream.once('error', (error: Error) => this.fail(brokenFailure(this.dialer.upstream, error)))
    stream.once('close', () =>
      this.fail(
        stream.rstCode === constants.NGHTTP2_NO_ERROR
          ? invalidAnswer(this.dialer.upstream, 'the stream ended without an answer')
          : brokenFailure(this.dialer.upstream, new Error(`stream closed with code ${stream.rstCode}`)),
        stream.rstCode === constants.NGHTTP2_REFUSED_STREAM,
      ),
    )
    for (const chunk of this.waiting) stream.write(chunk)
    const hadWaiting = this.waiting.length > 0
    this.waiting = []
    if (this.atEnd) stream.end()
    else if (hadWaiting) this.listener.onOutboundDrain()
    if (this.isPaused) stream.pause()
  }

  /** Only once the head was told: what came with it in one piece would be told first. */
  private readBody(stream: ClientHttp2Stream): void {
    stream.once('end', () => {
      if (stream.rstCode !== 0) return
      const { listener } = this
      this.listener = undefined
      listener?.onAnswerEnd(this.trailers)
      // An answer before the request's end: what is left of it has no reader.
      if (!stream.writableEnded) stream.close(constants.NGHTTP2_NO_ERROR)
    })
    stream.on('data', (chunk: Buffer) => this.listener?.onAnswerData(chunk))
    if (this.isPaused) stream.pause()
  }

  private fail(failure: Failure, isUnsent = false): void {
    const { listener } = this
    this.listener = undefined
    listener?.onFailure({ failure, isUnsent, isStale: false })
  }
}

function answerOf(
  headers: IncomingHttpHeaders,
  raw: readonly string[],
): { status: number; statusText: string; headers: string[] } {
  return { status: Number(headers[':status'] ?? 0), statusText: '', headers: endToEnd(toRawHeaders(raw)) }
}

import type { Duplex } from 'node:stream'
import { MalformedError, findHeadEnd, headerOf, headersOf, listHas, parseRequestHead } from './head.ts'
import { requestBodyLength } from './framing.ts'
import { Http1Inbound, type RequestConnection } from './http1-inbound.ts'
import type { Inbound } from './message.ts'
import { Outlet } from './outlet.ts'
import { readTarget } from './target.ts'

/** What follows a request on its connection is read up to here while the request is served; then the client waits. */
const MAX_PIPELINED = 65_536
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1')
/** The type of a TLS record that holds a handshake; no method begins with it. */
const HANDSHAKE = 0x16
const LINGER_MS = 2_000

export interface ServiceConnectionOptions {
  serve(inbound: Inbound): void
  /** Answers what is no request; the connection ends with it. */
  refuse(inbound: Inbound, error: MalformedError): void
  /** The first bytes are HTTP/2's; nothing of the connection was consumed, `first` is to be read before the rest. */
  serveHttp2(socket: Duplex, first: Buffer): void
  /** A mistake in the proxy's own code; it has cost this connection. */
  onDefect(error: unknown): void
  /** The first bytes are TLS's; as above. Absent: TLS is not spoken here, and what begins so is no request. */
  serveTls?(socket: Duplex, first: Buffer): void
  /** The connection is closed, or was given away. */
  onReleased(connection: ServiceConnection): void
  maxHeadBytes: number
  maxFields: number
}

/** One connection from a service: takes its requests in order, one at a time, HTTP/1.1 or 1.0. */
export class ServiceConnection implements RequestConnection {
  readonly socket: Duplex
  readonly outlet: Outlet
  readonly isSecure: boolean
  readonly remoteAddress: string | undefined
  /** When the head that is being read began, or the connection fell idle; milliseconds of `performance.now`. */
  waitingSince = performance.now()
  isLast = false
  hasEnded = false
  private readonly options: ServiceConnectionOptions
  private pending: Buffer | undefined
  private searched = 0
  private current: Http1Inbound | undefined
  private isFirst = true
  private isDiscarding = false
  private isProcessing = false
  private lingering: NodeJS.Timeout | undefined

  constructor(socket: Duplex, options: ServiceConnectionOptions) {
    this.socket = socket
    this.options = options
    this.outlet = new Outlet(socket)
    this.isSecure = (socket as { encrypted?: boolean }).encrypted === true
    this.remoteAddress = (socket as { remoteAddress?: string }).remoteAddress
    socket.on('data', this.onData)
    socket.on('end', this.onEnd)
    socket.on('drain', this.onDrain)
    socket.on('error', this.onError)
    socket.on('close', this.onClose)
  }

  /** Whether a head has begun that has not ended. */
  get isInHead(): boolean {
    return this.current === undefined && this.pending !== undefined
  }

  get isIdle(): boolean {
    return this.current === undefined
  }

  finish(): void {
    this.current = undefined
    this.waitingSince = performance.now()
    if (this.isLast || this.isEndOfInput) return this.closeGently()
    if (this.pending !== undefined || this.socket.isPaused()) this.resume()
  }

  resume(): void {
    this.socket.resume()
    if (this.pending !== undefined && !this.isProcessing) process.nextTick(() => this.process())
  }

  get isEndOfInput(): boolean {
    return this.hasEnded && this.pending === undefined
  }

  release(): { socket: Duplex; rest: Buffer | undefined } {
    const rest = this.pending
    this.detach()
    return { socket: this.socket, rest }
  }

  destroy(): void {
    this.socket.destroy()
  }

  /** Ends the writing side and reads on for a while, so that a client that is still sending gets the answer and no reset. */
  private closeGently(): void {
    this.isDiscarding = true
    this.outlet.end()
    if (this.hasEnded) return
    this.socket.resume()
    this.lingering = setTimeout(() => this.socket.destroy(), LINGER_MS)
    this.lingering.unref()
  }

  private readonly onData = (chunk: Buffer): void => {
    if (this.isDiscarding) return
    this.pending = this.pending === undefined ? chunk : Buffer.concat([this.pending, chunk])
    this.process()
  }

  private process(): void {
    if (this.isProcessing) return
    this.isProcessing = true
    try {
      while (this.pending !== undefined && !this.isDiscarding && !this.socket.destroyed) {
        const { current } = this
        if (current === undefined) {
          if (!this.takeHead(this.pending)) return
        } else if (current.wantsBody) {
          const bytes = this.pending
          this.pending = undefined
          this.pending = current.take(bytes)
        } else {
          if (this.pending.length > MAX_PIPELINED || current.isHolding) this.socket.pause()
          return
        }
      }
    } catch (error) {
      if (error instanceof MalformedError) this.hear(() => this.onMalformed(error))
      else this.onDefect(error)
    } finally {
      this.isProcessing = false
    }
  }

  /** Takes a request's head from the buffer and has it served; false when it is not whole yet. */
  private takeHead(bytes: Buffer): boolean {
    if (this.isFirst && bytes[0] === 0x50 && isPreface(bytes)) {
      if (bytes.length < PREFACE.length) return false
      this.detach()
      this.options.serveHttp2(this.socket, bytes)
      return false
    }
    if (this.isFirst && bytes[0] === HANDSHAKE && this.options.serveTls) {
      this.detach()
      this.options.serveTls(this.socket, bytes)
      return false
    }
    // RFC 9112, 2.2: empty lines before a request line are read over.
    let start = 0
    while (bytes[start] === 13 && bytes[start + 1] === 10) start += 2
    const end = findHeadEnd(bytes, Math.max(start, this.searched - 3))
    if (end > this.options.maxHeadBytes || (end === -1 && bytes.length > this.options.maxHeadBytes))
      throw new MalformedError(`the head is larger than ${this.options.maxHeadBytes} bytes`, 431)
    if (end === -1) {
      if (this.hasEnded) this.outlet.end()
      if (this.searched === 0) this.waitingSince = performance.now()
      this.searched = bytes.length
      return false
    }
    this.searched = 0
    this.isFirst = false
    const inbound = this.readRequest(bytes.toString('latin1', start, end))
    this.pending = end + 4 < bytes.length ? bytes.subarray(end + 4) : undefined
    this.current = inbound
    this.options.serve(inbound)
    return true
  }

  private readRequest(text: string): Http1Inbound {
    const parsed = parseRequestHead(text, this.options.maxFields)
    const bodyLength = requestBodyLength(parsed)
    const hosts = headersOf(parsed.headers, 'host')
    if (hosts.length > 1 || (hosts.length === 0 && parsed.version === '1.1'))
      throw new MalformedError('it must have one Host, and has none or several')
    const { target, authority = hosts[0] ?? '' } = readTarget(parsed.method, parsed.target)
    const { headers, version } = parsed
    const keeps = version === '1.1' ? !listHas(headers, 'connection', 'close') : listHas(headers, 'connection', 'keep-alive')
    if (!keeps) this.isLast = true
    const wantsUpgrade = version === '1.1' && bodyLength === 'none' && listHas(headers, 'connection', 'upgrade')
    const upgrade = wantsUpgrade ? headerOf(headers, 'upgrade')?.toLowerCase() : undefined
    return new Http1Inbound(this, {
      ...parsed,
      target,
      authority,
      bodyLength: bodyLength === 0 && parsed.method === 'GET' ? 'none' : bodyLength,
      // Going on in HTTP/2 is the proxy's own choice, by the preface: an offer of it may be left aside.
      upgrade: upgrade === 'h2c' ? undefined : upgrade,
    })
  }

  private onMalformed(error: MalformedError): void {
    this.isLast = true
    this.pending = undefined
    if (this.current !== undefined) {
      if (this.current.abandon()) this.options.refuse(this.current, error)
      else this.socket.destroy()
      return
    }
    const inbound = new Http1Inbound(this, {
      method: 'GET',
      target: '/',
      version: '1.1',
      headers: [],
      authority: '',
      bodyLength: 'none',
      upgrade: undefined,
    })
    this.current = inbound
    this.options.refuse(inbound, error)
  }

  private hear(work: () => void): void {
    try {
      work()
    } catch (error) {
      this.onDefect(error)
    }
  }

  private onDefect(error: unknown): void {
    this.options.onDefect(error)
    this.socket.destroy()
  }

  /** The head did not come in time. */
  refuseSlowHead(): void {
    const late = new MalformedError('the head of the request did not come in time', 408)
    if (this.isInHead) this.hear(() => this.onMalformed(late))
    else this.socket.destroy()
  }

  private readonly onEnd = (): void => {
    this.hasEnded = true
    if (this.isDiscarding) return void this.socket.destroy()
    const { current } = this
    if (current !== undefined) return this.hear(() => current.onHalfClosed())
    if (this.pending === undefined) this.outlet.end()
    else this.process()
  }

  private readonly onDrain = (): void => this.hear(() => this.current?.onDrain())

  private readonly onError = (): void => void this.socket.destroy() // 'close' follows, and tells who waits

  private readonly onClose = (): void => {
    clearTimeout(this.lingering)
    this.hear(() => this.current?.onGone())
    this.current = undefined
    this.options.onReleased(this)
  }

  private detach(): void {
    const { socket } = this
    socket.pause()
    socket.removeListener('data', this.onData)
    socket.removeListener('end', this.onEnd)
    socket.removeListener('drain', this.onDrain)
    socket.removeListener('error', this.onError)
    socket.removeListener('close', this.onClose)
    this.pending = undefined
    this.current = undefined
    this.options.onReleased(this)
  }
}

function isPreface(bytes: Buffer): boolean {
  const length = Math.min(bytes.length, PREFACE.length)
  return bytes.compare(PREFACE, 0, length, 0, length) === 0
}

import type { Duplex } from 'node:stream'
import type { RawHeaders, ResponseHead } from '../exchange.ts'
import type { Upstream } from '../../../engine/dependency-ports.ts'
import { ChunkedDecoder, CloseDecoder, LengthDecoder, type BodyDecoder } from './body-decoder.ts'
import type { Failure } from './failure.ts'
import { responseFraming } from './framing.ts'
import { MalformedError, findHeadEnd, headerOf, listHas, parseResponseHead, type ParsedResponse } from './head.ts'
import { endToEnd } from './hop-by-hop.ts'
import type { BodyReader, Outbound, OutboundHead, OutboundListener } from './message.ts'
import { Outlet } from './outlet.ts'
import { brokenFailure, invalidAnswer } from './upstream-failure.ts'
import { chunkStart, chunkedEnd, requestText } from './write-head.ts'

export const MAX_ANSWER_HEAD = 262_144
export const MAX_ANSWER_FIELDS = 2_000
const MAX_INTERIM = 32

/** One HTTP/1.1 connection to an upstream; carries one request at a time. */
export class UpstreamConnection implements Outbound, BodyReader {
  /** How many requests it has carried. */
  served = 0
  /** Milliseconds of `performance.now` until which it may be used again. */
  usableUntil = Infinity
  private readonly socket: Duplex
  private readonly outlet: Outlet
  private readonly upstream: Upstream
  private readonly onFree: (connection: UpstreamConnection, isUsable: boolean) => void
  private listener: OutboundListener | undefined
  private method = ''
  private upgrade: string | undefined
  private pending: Buffer | undefined
  private searched = 0
  private decoder: BodyDecoder | undefined
  private interims = 0
  private isChunkedOut = false
  private isSent = false
  private isAnswerDone = false
  private hasAnswerBegun = false
  private isReusable = false
  private lastError: Error | undefined

  constructor(socket: Duplex, upstream: Upstream, onFree: (connection: UpstreamConnection, isUsable: boolean) => void) {
    this.socket = socket
    this.upstream = upstream
    this.onFree = onFree
    this.outlet = new Outlet(socket)
    socket.on('data', this.onSocketData)
    socket.on('end', this.onSocketEnd)
    socket.on('drain', this.onDrain)
    socket.on('error', this.onError)
    socket.on('close', this.onClose)
  }

  get isUsable(): boolean {
    return !this.socket.destroyed && this.socket.writable && performance.now() < this.usableUntil
  }

  send(head: OutboundHead, listener: OutboundListener): void {
    this.listener = listener
    this.served += 1
    this.method = head.method
    this.upgrade = head.upgrade
    this.interims = 0
    this.hasAnswerBegun = false
    this.isAnswerDone = false
    this.isSent = false
    this.isChunkedOut = head.bodyLength === 'unknown'
    this.outlet.write(requestText(head))
  }

  write(chunk: Buffer): boolean {
    if (chunk.length === 0) return true
    if (!this.isChunkedOut) return this.outlet.write(chunk)
    this.outlet.write(chunkStart(chunk.length))
    this.outlet.write(chunk)
    return this.outlet.write('\r\n')
  }

  end(trailers: RawHeaders): void {
    if (this.isChunkedOut) this.outlet.write(chunkedEnd(trailers))
    this.isSent = true
    this.freeIfDone()
  }

  pause(): void {
    this.socket.pause()
  }

  resume(): void {
    this.socket.resume()
  }

  cancel(): void {
    this.listener = undefined
    this.socket.destroy()
  }

  destroy(): void {
    this.socket.destroy()
  }

  onData(chunk: Buffer): void {
    this.listener?.onAnswerData(chunk)
  }

  onEnd(trailers: RawHeaders): void {
    const { listener } = this
    this.listener = undefined
    this.decoder = undefined
    this.isAnswerDone = true
    listener?.onAnswerEnd(trailers)
    this.freeIfDone()
  }

  private readonly onSocketData = (chunk: Buffer): void => {
    if (this.listener === undefined) return void this.socket.destroy() // nobody asked
    try {
      this.read(chunk)
    } catch (error) {
      if (!(error instanceof MalformedError)) return this.onDefect(error)
      this.fail(invalidAnswer(this.upstream, error.message))
    }
  }

  private read(chunk: Buffer): void {
    let bytes: Buffer | undefined = this.pending === undefined ? chunk : Buffer.concat([this.pending, chunk])
    this.pending = undefined
    while (bytes !== undefined) {
      if (this.decoder !== undefined) {
        bytes = this.decoder.push(bytes, this)
        // More than the answer: whatever it is, no request asked for it.
        if (bytes !== undefined) this.socket.destroy()
        return
      }
      if (this.listener === undefined) return void this.socket.destroy()
      const end = findHeadEnd(bytes, Math.max(0, this.searched - 3))
      if (end > MAX_ANSWER_HEAD || (end === -1 && bytes.length > MAX_ANSWER_HEAD))
        throw new MalformedError(`its headers are larger than ${MAX_ANSWER_HEAD} bytes`)
      if (end === -1) {
        this.searched = bytes.length
        this.pending = bytes
        return
      }
      this.searched = 0
      const parsed = parseResponseHead(bytes.toString('latin1', 0, end), MAX_ANSWER_FIELDS)
      bytes = end + 4 < bytes.length ? bytes.subarray(end + 4) : undefined
      if (parsed.status === 101) return this.takeUpgrade(parsed, bytes)
      if (parsed.status < 200) this.takeInterim(parsed)
      else this.takeAnswer(parsed)
    }
  }

  private takeInterim(parsed: ParsedResponse): void {
    this.interims += 1
    if (this.interims > MAX_INTERIM) throw new MalformedError('it sends interim answers without end')
    this.listener?.onInterim(headOf(parsed))
  }

  private takeAnswer(parsed: ParsedResponse): void {
    const { length, isChunked, isUntilClose } = responseFraming(parsed, this.method)
    this.hasAnswerBegun = true
    this.isReusable = !isUntilClose && keepsAlive(parsed)
    this.usableUntil = performance.now() + keepAliveMs(parsed)
    this.listener?.onAnswer(headOf(parsed, this.method), length)
    if (isUntilClose) this.decoder = new CloseDecoder()
    else if (isChunked) this.decoder = new ChunkedDecoder()
    else if (typeof length === 'number' && length > 0) this.decoder = new LengthDecoder(length)
    else this.onEnd([])
  }

  private takeUpgrade(parsed: ParsedResponse, rest: Buffer | undefined): void {
    const { listener } = this
    if (this.upgrade === undefined) throw new MalformedError('it switches protocols unasked')
    this.listener = undefined
    this.detach()
    this.onFree(this, false)
    listener?.onUpgraded(headOf(parsed), this.socket, rest)
  }

  private freeIfDone(): void {
    if (!this.isAnswerDone) return
    const isUsable = this.isReusable && this.isSent && this.isUsable
    // An answer before the request's end: what is left of the request has no reader.
    if (!isUsable) this.socket.destroy()
    this.isAnswerDone = false
    this.onFree(this, isUsable)
  }

  private readonly onSocketEnd = (): void => {
    if (this.decoder instanceof CloseDecoder) {
      this.isReusable = false
      this.onEnd([])
    } else this.socket.destroy()
  }

  private readonly onDrain = (): void => this.listener?.onOutboundDrain()

  private readonly onError = (error: Error): void => {
    this.lastError = error
    this.socket.destroy()
  }

  private readonly onClose = (): void => {
    this.fail(brokenFailure(this.upstream, this.lastError))
    this.onFree(this, false)
  }

  private onDefect(error: unknown): void {
    const { listener } = this
    this.listener = undefined
    this.socket.destroy()
    listener?.onDefect(error)
  }

  private fail(failure: Failure): void {
    const { listener } = this
    this.listener = undefined
    this.socket.destroy()
    const isStale =
      this.served > 1 && !this.hasAnswerBegun && this.pending === undefined && failure.code === 'PROXY_UPSTREAM_BROKE_OFF'
    listener?.onFailure({ failure, isUnsent: false, isStale })
  }

  private detach(): void {
    const { socket } = this
    socket.pause()
    socket.removeListener('data', this.onSocketData)
    socket.removeListener('end', this.onSocketEnd)
    socket.removeListener('drain', this.onDrain)
    socket.removeListener('error', this.onError)
    socket.removeListener('close', this.onClose)
  }
}

function headOf({ status, statusText, headers }: ParsedResponse, method = ''): ResponseHead {
  const kept = endToEnd(headers)
  // There it frames nothing and is only told.
  const told = method === 'HEAD' || status === 304 ? headerOf(headers, 'content-length') : undefined
  if (told !== undefined) kept.push('Content-Length', told)
  return { status, statusText, headers: kept }
}

function keepsAlive({ version, headers }: ParsedResponse): boolean {
  return version === '1.1' ? !listHas(headers, 'connection', 'close') : listHas(headers, 'connection', 'keep-alive')
}

/** How long it may stay idle: a second less than the upstream says, else four. */
function keepAliveMs({ headers }: ParsedResponse): number {
  const said = /timeout=(\d{1,6})/i.exec(headerOf(headers, 'keep-alive') ?? '')
  return said ? Math.max(0, Number(said[1]) * 1_000 - 1_000) : 4_000
}

import type { Duplex } from 'node:stream'
import type { RawHeaders, ResponseHead } from '../exchange.ts'
import type { Failure } from './failure.ts'

/** What is known of a body's length before it comes. `none`: there is no body, and no framing is to be sent for one. */
export type BodyLength = number | 'unknown' | 'none'

/** A request from a service, of any HTTP version, and the way to answer it. */
export interface Inbound {
  readonly version: '1.0' | '1.1' | '2.0'
  readonly method: string
  /** Path and query, or `*`. */
  readonly target: string
  /** `Host`, or the authority of an absolute target or of HTTP/2; '' where HTTP/1.0 said none. */
  readonly authority: string
  /** As they came, pseudo-headers left out. */
  readonly headers: RawHeaders
  /** The protocol that is asked for on this connection, lower case. */
  readonly upgrade: string | undefined
  readonly bodyLength: BodyLength
  readonly isSecure: boolean
  readonly remoteAddress: string | undefined

  /** Delivers the body to `reader`, from now on. Without a call the body waits, and back-pressure reaches the service. */
  read(reader: BodyReader): void
  pause(): void
  resume(): void

  /** What is told when the client can take more, and when it is gone before the answer's end. */
  listen(listener: { onDrain(): void; onGone(): void }): void
  /** Passes an interim answer (103). */
  inform(head: ResponseHead): void
  /** Begins the answer. `headers` are complete but for the framing, which is made here. */
  respond(head: ResponseHead, length: BodyLength): void
  /** Returns false when `onDrain` is to be awaited. */
  write(chunk: Buffer): boolean
  end(trailers: RawHeaders): void
  /** Breaks the answer off, so that the client sees that it is not whole. */
  reset(): void
  /** Answers 101 and hands over the connection, with what of it was read already. HTTP/1.1 only. */
  upgradeTo(head: ResponseHead): { socket: Duplex; rest: Buffer | undefined }
}

export interface BodyReader {
  onData(chunk: Buffer): void
  onEnd(trailers: RawHeaders): void
}

/** What a request looks like on its way out. */
export interface OutboundHead {
  method: string
  target: string
  /** `Host` or `:authority`. */
  authority: string
  /** End-to-end headers, in order; no Host, no framing. */
  headers: string[]
  bodyLength: BodyLength
  upgrade: string | undefined
}

/** A request under way to whatever answers it. */
export interface Outbound {
  /** Returns false when `onOutboundDrain` is to be awaited. */
  write(chunk: Buffer): boolean
  end(trailers: RawHeaders): void
  pause(): void
  resume(): void
  /** Gives up: the upstream sees that the client left. Nothing is told afterwards. */
  cancel(): void
}

/** Who is told what became of an outbound request. After `onAnswerEnd`, `onUpgraded` or `onFailure` nothing comes. */
export interface OutboundListener {
  /** There is a connection. */
  onConnected(): void
  onInterim(head: ResponseHead): void
  onAnswer(head: ResponseHead, length: BodyLength): void
  onAnswerData(chunk: Buffer): void
  onAnswerEnd(trailers: RawHeaders): void
  onUpgraded(head: ResponseHead, socket: Duplex, rest: Buffer | undefined): void
  onOutboundDrain(): void
  onFailure(failure: OutboundFailure): void
  /** A mistake in the proxy's own code while the request was under way; it was not caught where it was made. */
  onDefect(error: unknown): void
}

export interface OutboundFailure {
  failure: Failure
  /** Nothing of the request can have been seen: the connection was never there. */
  isUnsent: boolean
  /** A kept connection that was closed before a byte of the answer came. */
  isStale: boolean
}

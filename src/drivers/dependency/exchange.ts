import type { DependencySetting } from '../../engine/dependency-ports.ts'
import type { RemoteProtocol } from '../../plan/remote.ts'

/** What a setting keeps or plays: `record` has a recorder, `replay` a player, `recordMissing` both. */
export interface Exchange {
  recorder?: Recorder
  player?: Player
  /** Resolves when everything that ended is on disk. Called once, after the last exchange of this setting is over. */
  close(): Promise<void>
}

/** Makes the exchange of a setting; rejects with a ShivError when its recording cannot be read or written. */
export type OpenExchange = (setting: DependencySetting) => Promise<Exchange>

/**
 * Header fields as they stand on the wire, `[name, value, name, value, …]`, in case and order, duplicates kept. Of HTTP/2 and gRPC the
 * pseudo-headers are left out; names are lower case there. Values are a character a byte (latin1).
 */
export type RawHeaders = readonly string[]

/** The first part of a request, as the service sent it: before rules, authentication and rewrites of the proxy. */
export interface RequestHead {
  protocol: Extract<RemoteProtocol, 'http' | 'grpc'>
  httpVersion: '1.0' | '1.1' | '2.0'
  method: string
  /** Path and query as on the wire: `/invoices?page=2`. Never absolute, no fragment. */
  target: string
  headers: RawHeaders
  /** Set when the client asks for another protocol on this connection, for example `websocket`. */
  upgrade?: string
  /** Epoch milliseconds of its arrival. */
  time: number
}

export interface ResponseHead {
  /** 100 to 599; 101 when the connection was upgraded. */
  status: number
  /** The reason phrase; empty in HTTP/2. */
  statusText: string
  /** As the upstream sent them: before rules and mapping, hop-by-hop headers dropped. */
  headers: RawHeaders
}

/** Keeps exchanges. Redaction is its own business: it gets everything. */
export interface Recorder {
  /** A request that passed the guard and is about to go to the upstream. Never throws. */
  begin(request: RequestHead): Capture
}

/**
 * One exchange, told as it passes. Order within a direction is kept; the two directions interleave as they did (gRPC streams, WebSocket).
 * A chunk is lent: it must not be changed, and may be kept. A promise means "read no more in this direction until it resolves": that is
 * the back-pressure; what was read already, at most one piece of the socket (64 kB), still comes, and so may the end. No method throws; a
 * promise that rejects ends the recording of this exchange, not the exchange. After `end` or `fail` nothing comes.
 */
export interface Capture {
  requestData(chunk: Buffer): void | Promise<void>
  /** Not told of a connection that is upgraded: there only the exchange ends. */
  requestEnd(trailers: RawHeaders): void
  /** A final head, or 101. Interim ones (103) come by `informational`, before it. */
  responseHead(head: ResponseHead): void
  informational?(head: ResponseHead): void
  /** Body bytes without transfer coding, content coding as sent. After a 101: the bytes of the other protocol. */
  responseData(chunk: Buffer): void | Promise<void>
  /** The answer is complete. */
  end(trailers: RawHeaders): void
  /** Client or upstream broke off; a recording that is not whole must not be played. `cause` is for people. */
  fail(cause: string): void
}

/** Answers from a recording. */
export interface Player {
  /**
   * `body` may be read as far as matching needs: to its end for a plain request, message by message for a gRPC stream. Of a request with
   * `upgrade` it is what comes after the 101, so an answer must not wait for it.
   * What is left unread is discarded by the proxy. `signal` fires when the client is gone. Rejects with a ShivError if the recording
   * became unreadable.
   */
  answer(request: RequestHead, body: AsyncIterable<Buffer>, signal: AbortSignal): Promise<PlayerAnswer>
}

export type PlayerAnswer = { matched: PlayedResponse } | { unmatched: Unmatched }

export interface PlayedResponse {
  head: ResponseHead
  /**
   * Pulled with back-pressure: the next is asked for when the one before was taken. May await more of the request's `body` in between.
   * After a 101 it is the bytes of the other protocol.
   */
  body: AsyncIterable<Buffer>
  /** Asked for after the body's end. */
  trailers?(): RawHeaders
}

/** Why nothing of the recording fits. All of it reaches the user: redacted, without secret values. */
export interface Unmatched {
  /** One sentence: `No recorded GET /invoices has this query.` */
  message: string
  /** The recorded request that is most like it, `GET /invoices?page=2`. */
  nearest?: string
  /** What differs, a line each: `query page: "3", recorded "2"`. */
  difference: string[]
  /** What to do, for example `shiv proxy mode billing record`. */
  hint?: string
}

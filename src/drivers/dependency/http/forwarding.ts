import type { Duplex } from 'node:stream'
import type { ServedBy } from '../../../engine/dependency-ports.ts'
import type { Account, Ending } from './account.ts'
import type { Capture, RawHeaders, ResponseHead } from '../exchange.ts'
import type { Course, UpstreamParts } from './course.ts'
import type { Deadlines, Timed } from './deadlines.ts'
import type { Failure } from './failure.ts'
import { causeOf, tokenFailure, wordsOfDefect } from './failure-words.ts'
import type { Fate } from './faults.ts'
import { contain, type RequestEvents } from './contain.ts'
import { Flow, pacedFlow } from './flow.ts'
import { headerOf } from './head.ts'
import { endToEndTrailers } from './hop-by-hop.ts'
import type { BodyLength, BodyReader, Inbound, Outbound, OutboundFailure, OutboundListener } from './message.ts'
import type { Pacer } from './pacer.ts'
import { isGrpc } from './problem.ts'
import { timeoutFailure } from './timeouts.ts'
import { Tunnel } from './tunnel.ts'

const SAFE = new Set(['GET', 'HEAD', 'OPTIONS'])
const RETRIED_STATUS = new Set([502, 503, 504])
const RETRY_BASE_MS = 25

/** What a forwarding needs of the dependency that it belongs to. */
export interface ForwardingTools {
  deadlines: Deadlines
  random(): number
  /** The upstream answered, `ms` after it was asked. */
  proven(ms: number): void
  /** An upgraded connection begins; the result ends its account. */
  track(tunnel: Tunnel): () => void
  /** A mistake in the proxy's own code; it has cost a request. */
  onDefect(error: unknown): void
}

/** Carries one request to the upstream and its answer back, both streamed. */
export class Forwarding implements OutboundListener, BodyReader, Timed {
  private readonly inbound: Inbound
  private readonly course: Course
  private readonly parts: UpstreamParts
  private readonly tools: ForwardingTools
  private readonly fate: Fate | undefined
  private readonly capture: Capture | undefined
  private readonly account: Account
  private readonly refuse: (failure: Failure, servedBy: ServedBy) => void
  private readonly began = performance.now()
  private outbound: Outbound | undefined
  private token: string | undefined
  private attempts = 0
  private isConnected = false
  private isReading = false
  private isRequestRead = false
  private requestTrailers: RawHeaders = []
  private isAnswerBegun = false
  private isOver = false
  private isStaleRetried = false
  private isRenewed = false
  private asked = 0
  private lastActivity = this.began
  private sentBytes = 0
  private receivedBytes = 0
  private status = 0
  private grpcStatus: string | undefined
  private cutAfter = Infinity
  private readonly requestFlow: Flow
  private readonly answerFlow: Flow
  private readonly requestPacer: Pacer | undefined
  private readonly answerPacer: Pacer | undefined
  private timer: NodeJS.Timeout | undefined
  /** As which sockets and timers know it. */
  private readonly events: RequestEvents = contain(this)

  constructor(options: {
    inbound: Inbound
    course: Course
    parts: UpstreamParts
    tools: ForwardingTools
    fate: Fate | undefined
    capture: Capture | undefined
    token: string | undefined
    account: Account
    /** Answers a failure in the protocol's form, and ends the account. */
    refuse(failure: Failure, servedBy: ServedBy): void
  }) {
    this.inbound = options.inbound
    this.course = options.course
    this.parts = options.parts
    this.tools = options.tools
    this.fate = options.fate
    this.capture = options.capture
    this.token = options.token
    this.account = options.account
    this.refuse = options.refuse
    this.requestFlow = new Flow(this.inbound)
    this.answerFlow = new Flow({ pause: () => this.outbound?.pause(), resume: () => this.outbound?.resume() })
    const rate = this.fate?.bytesPerSecond
    if (rate !== undefined) {
      this.requestPacer = pacedFlow(rate, this.requestFlow, (chunk) => this.hear(() => this.passRequest(chunk)))
      this.answerPacer = pacedFlow(rate, this.answerFlow, (chunk) => this.hear(() => this.passAnswer(chunk)))
    }
  }

  start(): void {
    this.inbound.listen(this.events)
    this.tools.deadlines.add(this.events)
    this.parts.retries?.budget.countRequest()
    this.send(false)
  }

  check(now: number): void {
    const { headersMs, idleMs, totalMs } = this.course.timeouts
    if (totalMs > 0 && now - this.began > totalMs) return this.giveUp(timeoutFailure('total', totalMs, this.parts.upstream))
    if (!this.isConnected) return
    if (!this.isAnswerBegun && this.isRequestRead && headersMs > 0 && now - Math.max(this.asked, this.lastActivity) > headersMs)
      return this.giveUp(timeoutFailure('headers', headersMs, this.parts.upstream), true)
    if (idleMs > 0 && now - this.lastActivity > idleMs && (this.isAnswerBegun || !this.isRequestRead))
      this.giveUp(timeoutFailure('idle', idleMs, this.parts.upstream))
  }

  onConnected(): void {
    this.isConnected = true
    this.asked = performance.now()
    this.lastActivity = this.asked
  }

  // The request's body

  onData(chunk: Buffer): void {
    this.lastActivity = performance.now()
    if (this.requestPacer) this.requestPacer.push(chunk)
    else this.passRequest(chunk)
  }

  onEnd(trailers: RawHeaders): void {
    this.isRequestRead = true
    this.requestTrailers = endToEndTrailers(trailers)
    if (this.requestPacer) this.requestPacer.end(() => this.endRequest())
    else this.endRequest()
  }

  onOutboundDrain(): void {
    this.lastActivity = performance.now()
    this.requestFlow.drained()
  }

  // The answer

  onInterim(head: ResponseHead): void {
    this.lastActivity = performance.now()
    this.capture?.informational?.(head)
    this.inbound.inform(head)
  }

  onAnswer(head: ResponseHead, length: BodyLength): void {
    const now = performance.now()
    this.lastActivity = now
    this.tools.proven(now - this.asked)
    this.parts.breaker?.report(head.status < 500)
    if (this.retriesAnswer(head)) return
    this.isAnswerBegun = true
    this.status = head.status
    this.grpcStatus = this.inbound.version === '2.0' ? headerOf(head.headers, 'grpc-status') : undefined
    if (this.fate?.isCut) this.cutAfter = typeof length === 'number' ? Math.floor(length / 2) : 1
    if (this.inbound.upgrade !== undefined) this.capture?.requestEnd([])
    this.capture?.responseHead(head)
    this.inbound.respond(this.course.mapAnswer(head, this.inbound, this.course.label), length)
  }

  onAnswerData(chunk: Buffer): void {
    this.lastActivity = performance.now()
    if (this.isOver) return
    if (this.answerPacer) this.answerPacer.push(chunk)
    else this.passAnswer(chunk)
  }

  onAnswerEnd(trailers: RawHeaders): void {
    if (this.answerPacer) this.answerPacer.end(() => this.endAnswer(trailers))
    else this.endAnswer(trailers)
  }

  onUpgraded(head: ResponseHead, socket: Duplex, rest: Buffer | undefined): void {
    if (this.isOver) return void socket.destroy()
    this.tools.proven(performance.now() - this.asked)
    this.parts.breaker?.report(true)
    this.tools.deadlines.delete(this.events)
    this.isOver = true
    this.capture?.responseHead(head)
    const client = this.inbound.upgradeTo(this.course.mapAnswer(head, this.inbound, this.course.label))
    joinUpgraded(client, { socket, rest }, this.capture, this.account, this.tools)
  }

  onFailure({ failure, isUnsent, isStale }: OutboundFailure): void {
    if (this.isOver) return
    this.outbound = undefined
    if (isStale && this.isRepeatable && !this.isStaleRetried) {
      // The upstream closed a kept connection at the moment that it was used: it has not read the request.
      this.isStaleRetried = true
      return this.send(true)
    }
    this.parts.breaker?.report(false)
    if (!this.isAnswerBegun && (isUnsent || !isStale) && this.retryLater()) return
    this.fail(failure)
  }

  onDefect(error: unknown): void {
    this.tools.onDefect(error)
    if (this.isOver) return
    const { outbound } = this
    this.outbound = undefined
    outbound?.cancel()
    this.inbound.reset()
    this.over('failed', wordsOfDefect(error))
  }

  // The client

  onDrain(): void {
    this.lastActivity = performance.now()
    this.answerFlow.drained()
  }

  onGone(): void {
    if (this.isOver) return
    if (!this.isAnswerBegun) this.parts.breaker?.forget()
    this.outbound?.cancel()
    this.over('aborted', 'the client left')
  }

  private send(fresh: boolean): void {
    this.isConnected = false
    const head = this.parts.makeOutbound(this.inbound, this.token)
    const pool = this.course.setting.protocol === 'http' && isGrpc(this.inbound) ? this.parts.http2 : this.parts.pool
    this.outbound = pool.send(head, this.events, { connectMs: this.course.timeouts.connectMs, fresh })
    if (!this.isReading) {
      this.isReading = true
      this.inbound.read(this.events)
    } else if (this.isRequestRead) this.outbound.end(this.requestTrailers)
  }

  private passRequest(chunk: Buffer): void {
    this.sentBytes += chunk.length
    const kept = this.capture?.requestData(chunk)
    if (kept) this.requestFlow.await(kept)
    if (this.outbound?.write(chunk) === false) this.requestFlow.full()
  }

  private endRequest(): void {
    // Of an upgrade more may come, in the other protocol.
    if (this.inbound.upgrade === undefined) this.capture?.requestEnd(this.requestTrailers)
    this.outbound?.end(this.requestTrailers)
  }

  private passAnswer(chunk: Buffer): void {
    const kept = this.capture?.responseData(chunk)
    if (kept) this.answerFlow.await(kept)
    this.receivedBytes += chunk.length
    if (this.receivedBytes > this.cutAfter) {
      this.inbound.write(chunk.subarray(0, Math.max(0, chunk.length - (this.receivedBytes - this.cutAfter))))
      return this.cut()
    }
    if (!this.inbound.write(chunk)) this.answerFlow.full()
  }

  private cut(): void {
    this.outbound?.cancel()
    this.inbound.reset()
    this.over('failed', 'cut by a fault', 'fault')
  }

  private endAnswer(trailers: RawHeaders): void {
    if (this.isOver) return
    if (this.cutAfter !== Infinity) return this.cut()
    if (this.inbound.version === '2.0') this.grpcStatus ??= headerOf(trailers, 'grpc-status')
    this.capture?.end(trailers)
    this.inbound.end(endToEndTrailers(trailers))
    this.over('answered')
  }

  /** Safe, and without a body: may be asked again. */
  private get isRepeatable(): boolean {
    return SAFE.has(this.inbound.method) && this.inbound.bodyLength === 'none'
  }

  /** Whether an answer is put aside to ask again: one that a new token may change, or that says "not now". */
  private retriesAnswer({ status }: ResponseHead): boolean {
    if (status === 401 && this.token !== undefined && !this.isRenewed) {
      this.isRenewed = true
      const renewed = this.parts.bearer?.renew(this.token)
      if (renewed && this.isRepeatable) {
        this.dropAttempt()
        renewed.then(
          (token) => this.resend(token),
          (error: unknown) => this.fail(tokenFailure(error)),
        )
        return true
      }
      renewed?.catch(() => {}) // this answer stands; the next request hears of it
      return false
    }
    if (!RETRIED_STATUS.has(status) || !this.retryLater()) return false
    return true
  }

  private retryLater(): boolean {
    const { retries } = this.parts
    if (!retries || !this.isRepeatable || this.attempts >= retries.attempts || !retries.budget.take()) return false
    this.attempts += 1
    this.dropAttempt()
    const waitMs = RETRY_BASE_MS * 2 ** (this.attempts - 1) * (0.5 + this.tools.random() / 2)
    this.timer = setTimeout(() => this.resend(this.token), waitMs)
    return true
  }

  private dropAttempt(): void {
    this.outbound?.cancel()
    this.outbound = undefined
    this.isConnected = false
  }

  private resend(token: string | undefined): void {
    if (this.isOver) return
    this.token = token
    this.hear(() => this.send(false))
  }

  /** For what a timer calls. */
  private hear(work: () => void): void {
    try {
      work()
    } catch (error) {
      this.onDefect(error)
    }
  }

  private giveUp(failure: Failure, mayRetry = false): void {
    this.parts.breaker?.report(false)
    this.outbound?.cancel()
    this.outbound = undefined
    if (mayRetry && this.retryLater()) return
    this.fail(failure)
  }

  private fail(failure: Failure): void {
    if (this.isOver) return
    if (this.isAnswerBegun) {
      this.inbound.reset()
      return this.over('failed', causeOf(failure))
    }
    this.release()
    this.capture?.fail(causeOf(failure))
    this.refuse(failure, 'nobody')
  }

  private over(outcome: Ending['outcome'], cause?: string, servedBy?: ServedBy): void {
    this.release()
    if (outcome !== 'answered') this.capture?.fail(cause ?? outcome)
    this.account.tell({
      outcome,
      servedBy: servedBy ?? (this.isAnswerBegun ? (this.course.setting.mode === 'local' ? 'local' : 'upstream') : 'nobody'),
      status: this.isAnswerBegun ? (this.grpcStatus ?? String(this.status)) : undefined,
      cause,
      sentBytes: this.sentBytes,
      receivedBytes: this.receivedBytes,
    })
  }

  private release(): void {
    this.isOver = true
    this.tools.deadlines.delete(this.events)
    clearTimeout(this.timer)
    this.requestPacer?.stop()
    this.answerPacer?.stop()
  }
}

type UpgradedSide = { socket: Duplex; rest: Buffer | undefined }

/** Apart from the request, of which nothing is held any longer. */
function joinUpgraded(
  client: UpgradedSide,
  upstream: UpgradedSide,
  capture: Capture | undefined,
  account: Account,
  tools: ForwardingTools,
): void {
  const tunnel = new Tunnel(client.socket, upstream.socket, {
    ...(capture && { fromClient: (chunk) => capture.requestData(chunk), fromUpstream: (chunk) => capture.responseData(chunk) }),
    onDefect: (error) => tools.onDefect(error),
    onClose({ sentBytes, receivedBytes, isWhole }) {
      untrack()
      if (isWhole) capture?.end([])
      else capture?.fail('the connection broke off')
      account.tell({ outcome: isWhole ? 'answered' : 'aborted', servedBy: 'upstream', status: '101', sentBytes, receivedBytes })
    },
  })
  const untrack = tools.track(tunnel)
  tunnel.start(client.rest, upstream.rest)
}

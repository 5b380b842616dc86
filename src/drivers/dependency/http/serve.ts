import type { DependencyEvent, ServedBy } from '../../../engine/dependency-ports.ts'
import type { Exchange, RequestHead } from '../exchange.ts'
import type { BrowserGuard } from './browser-guard.ts'
import type { Course, UpstreamParts } from './course.ts'
import type { Failure } from './failure.ts'
import { drawFate, type Fate } from './faults.ts'
import { Account } from './account.ts'
import { causeOf, tokenFailure } from './failure-words.ts'
import { Forwarding, type ForwardingTools } from './forwarding.ts'
import { guard } from './guard.ts'
import type { Inbound } from './message.ts'
import { breakerOpen, faultFailure, grpcOnly, noUpstream, tooLargeToKeep } from './own-failures.ts'
import { answerProblem, isGrpc } from './problem.ts'
import { isDefect } from '../stream/defect.ts'
import { howToRecordWrite, replay, unmatchedFailure } from './replay.ts'
import { replayedInbound } from './replayed-inbound.ts'

export interface ServeTools extends ForwardingTools {
  browserGuard: BrowserGuard
  onEvent(event: DependencyEvent): void
}

const OUTCOMES = { played: 'answered', gone: 'aborted', broken: 'failed' } as const

/** Serves one request: who may ask, what may be asked, then the recording or the upstream. Tells one event when it is over. */
export function serve(inbound: Inbound, course: Course, tools: ServeTools): void {
  new Serving(inbound, course, tools).start()
}

/** Answers what is no valid request. */
export function refuseMalformed(inbound: Inbound, reason: string, status: number, course: Course, tools: ServeTools): void {
  const failure: Failure = {
    status,
    code: status === 431 ? 'PROXY_HEAD_TOO_LARGE' : status === 408 ? 'PROXY_HEAD_TIMEOUT' : 'PROXY_BAD_REQUEST',
    message: `This is not an HTTP request that ${course.setting.name} could be asked safely: ${reason}.`,
    cause: reason,
    hint: 'what is sent must follow RFC 9112 to the letter; a usual client library does',
  }
  new Serving(inbound, course, tools).refuse(failure, 'guard')
}

class Serving {
  private readonly inbound: Inbound
  private readonly course: Course
  private readonly tools: ServeTools
  private readonly account: Account
  private isGone = false

  constructor(inbound: Inbound, course: Course, tools: ServeTools) {
    this.inbound = inbound
    this.course = course
    this.tools = tools
    this.account = new Account(inbound, course, tools.onEvent)
  }

  start(): void {
    const { inbound, course, tools } = this
    const { mode, access, name, protocol, faults } = course.setting
    const foreign = tools.browserGuard.check(inbound)
    if (foreign) return this.refuse(foreign, 'guard')
    if (protocol === 'grpc' && inbound.version !== '2.0') return this.refuse(grpcOnly(name), 'nobody')
    if (mode !== 'local' && mode !== 'replay') {
      const forbidden = guard(inbound, name, protocol, access)
      if (forbidden) return this.refuse(forbidden, 'guard')
    }
    const fate = faults && drawFate(faults, tools.random)
    const opened = course.recording?.opened
    if (course.recording && opened && !opened.player && !(fate && fate.delayMs > 0)) {
      this.account.release = course.recording.use()
      return this.toUpstream(fate, opened, inbound)
    }
    if (course.recording || (fate && fate.delayMs > 0)) {
      this.later(async () => {
        if (fate && fate.delayMs > 0) await new Promise((resolve) => setTimeout(resolve, fate.delayMs))
        await this.withRecording(fate)
      })
      return
    }
    this.toUpstream(fate, undefined, inbound)
  }

  refuse(failure: Failure, servedBy: ServedBy): void {
    const more = failure.status === 503 ? ['Retry-After', '1'] : []
    const status = answerProblem(this.inbound, failure, this.course.setting.name, servedBy, more)
    const outcome = servedBy === 'guard' ? 'refused' : 'failed'
    this.account.tell({ outcome, servedBy, status, cause: causeOf(failure), sentBytes: 0, receivedBytes: 0 })
  }

  private async withRecording(fate: Fate | undefined): Promise<void> {
    const { inbound, course } = this
    if (this.isGone) return
    const { recording } = course
    if (!recording) return this.toUpstream(fate, undefined, inbound)
    this.account.release = recording.use()
    const exchange = await recording.exchange
    if (this.isGone) return
    if (!exchange.player || fate?.errorStatus !== undefined) return this.toUpstream(fate, exchange, inbound)
    const goesOn = course.setting.recording?.recordMissing === true && course.upstream !== undefined
    const result = await replay(inbound, this.requestHead(), exchange.player, course, goesOn)
    if (result.kind !== 'unmatched') {
      const { kind, ...counts } = result
      return this.account.tell({ ...counts, outcome: OUTCOMES[kind], servedBy: 'recording' })
    }
    const { name, protocol, access } = course.setting
    const forbidden = guard(inbound, name, protocol, access)
    if (!goesOn)
      return this.refuse(unmatchedFailure(result.unmatched, forbidden && howToRecordWrite(name, forbidden)), 'recording')
    if (forbidden) return this.refuse(forbidden, 'guard')
    if (result.body === undefined) return this.refuse(tooLargeToKeep(), 'nobody')
    this.toUpstream(fate, exchange, replayedInbound(inbound, result.body))
  }

  private toUpstream(fate: Fate | undefined, exchange: Exchange | undefined, inbound: Inbound): void {
    const { course } = this
    if (fate?.errorStatus !== undefined) return this.refuse(faultFailure(fate.errorStatus, course.setting.name), 'fault')
    const { upstream: parts } = course
    if (!parts) return this.refuse(noUpstream(course), 'nobody')
    const admission = parts.breaker?.admit()
    if (admission?.admitted === false) return this.refuse(breakerOpen(parts, admission.waitMs), 'nobody')
    const token = parts.bearer?.get()
    if (typeof token === 'object')
      return this.later(async () => {
        const read = await token.catch((error: unknown) => {
          parts.breaker?.forget()
          this.refuse(tokenFailure(error), 'nobody')
        })
        if (read !== undefined && !this.isGone) this.forward(parts, fate, exchange, inbound, read)
      })
    this.forward(parts, fate, exchange, inbound, token)
  }

  private forward(
    parts: UpstreamParts,
    fate: Fate | undefined,
    exchange: Exchange | undefined,
    inbound: Inbound,
    token?: string,
  ): void {
    const { course, tools } = this
    new Forwarding({
      inbound,
      course,
      parts,
      tools,
      fate,
      capture: exchange?.recorder?.begin(this.requestHead()),
      token,
      account: this.account,
      refuse: (failure, servedBy) => this.refuse(failure, servedBy),
    }).start()
  }

  /** Runs what has to wait for something; meanwhile the client may leave. */
  private later(work: () => Promise<void>): void {
    this.inbound.listen({
      onDrain() {},
      onGone: () => {
        this.isGone = true
        this.account.tell({ outcome: 'aborted', servedBy: 'nobody', cause: 'the client left', sentBytes: 0, receivedBytes: 0 })
      },
    })
    work().catch((error: unknown) => {
      if (isDefect(error)) this.tools.onDefect(error)
      if (!this.isGone) this.refuse({ ...tokenFailure(error), cause: 'the recording' }, 'nobody')
    })
  }

  private requestHead(): RequestHead {
    const { version, method, target, headers, upgrade } = this.inbound
    const { protocol } = this.course.setting
    return {
      protocol: protocol === 'grpc' || isGrpc(this.inbound) ? 'grpc' : 'http',
      httpVersion: version,
      method,
      target,
      headers,
      upgrade,
      time: this.account.time,
    }
  }
}

import type { BodyReader, OutboundListener } from './message.ts'
import type { Timed } from './deadlines.ts'

/** All by which sockets and timers call into the course of one request. */
export type RequestEvents = OutboundListener & BodyReader & Timed & { onDrain(): void; onGone(): void }

/**
 * The same events, where a mistake of ours in any of them is told to `onDefect` of the target: it costs that request, and neither the daemon
 * nor anybody else's connection.
 */
export function contain(target: RequestEvents): RequestEvents {
  const within =
    <Args extends unknown[]>(work: (...args: Args) => void) =>
    (...args: Args): void => {
      try {
        work(...args)
      } catch (error) {
        target.onDefect(error)
      }
    }
  return {
    onConnected: within(() => target.onConnected()),
    onInterim: within((head) => target.onInterim(head)),
    onAnswer: within((head, length) => target.onAnswer(head, length)),
    onAnswerData: within((chunk) => target.onAnswerData(chunk)),
    onAnswerEnd: within((trailers) => target.onAnswerEnd(trailers)),
    onUpgraded: within((head, socket, rest) => target.onUpgraded(head, socket, rest)),
    onOutboundDrain: within(() => target.onOutboundDrain()),
    onFailure: within((failure) => target.onFailure(failure)),
    onDefect: (error) => target.onDefect(error),
    onData: within((chunk) => target.onData(chunk)),
    onEnd: within((trailers) => target.onEnd(trailers)),
    onDrain: within(() => target.onDrain()),
    onGone: within(() => target.onGone()),
    check: within((now) => target.check(now)),
  }
}

import type { Outbound, OutboundHead, OutboundListener } from './message.ts'

/** The ways to one upstream. */
export interface UpstreamPool {
  readonly openConnections: number
  /** Sends a request on a kept connection, or on a new one (`fresh`, or none is kept). Every failure is told to `listener`. */
  send(head: OutboundHead, listener: OutboundListener, options: { connectMs: number; fresh: boolean }): Outbound
  /** Keeps no connection from now on; those under way end by themselves. */
  close(): void
  /** Closes all. */
  destroy(): void
}

import { setTimeout as delay } from 'node:timers/promises'
import { type Agent, openAgent } from './agent.ts'
import type { Transport } from './transport.ts'
import { watchOver } from './watchdog.ts'

export interface Connection {
  /** The container may be reachable now. */
  nudge(): void
  close(): void
}

const LASTING_MS = 5_000
const PAUSE_MOST_MS = 2_000

/** Keeps one agent connected: at once after a stream that lasted was lost, then with growing pauses. */
export function stayConnected(
  connect: (signal: AbortSignal) => Promise<Transport>,
  on: { opened(agent: Agent): void; lost(cause: string): void },
): Connection {
  const abort = new AbortController()
  let wake = () => {}

  const connectOnce = async (): Promise<string> => {
    const transport = await connect(abort.signal)
    const end = () => transport.close()
    abort.signal.addEventListener('abort', end, { once: true })
    try {
      const agent = await openAgent(transport)
      const stopWatching = watchOver(agent)
      on.opened(agent)
      const cause = await agent.closed
      stopWatching()
      return cause
    } finally {
      abort.signal.removeEventListener('abort', end)
    }
  }
  const pause = async (ms: number) => {
    const nudged = new Promise<void>((resolve) => (wake = resolve))
    // An abort ends the pause, and then the loop.
    await Promise.race([nudged, delay(ms, undefined, { signal: abort.signal }).catch(() => {})])
  }
  const run = async () => {
    let failures = 0
    while (!abort.signal.aborted) {
      const beganAt = Date.now()
      const cause = await connectOnce().catch((error: unknown) => (error instanceof Error ? error.message : String(error)))
      on.lost(cause)
      failures = Date.now() - beganAt > LASTING_MS ? 0 : failures + 1
      if (failures > 1 && !abort.signal.aborted) await pause(Math.min(PAUSE_MOST_MS, 10 * 2 ** failures))
    }
  }
  void run()
  return {
    nudge: () => wake(),
    close: () => abort.abort(),
  }
}

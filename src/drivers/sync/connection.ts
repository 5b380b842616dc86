import { setTimeout as delay } from 'node:timers/promises'
import { type Agent, openAgent } from './agent.ts'
import type { Transport } from './transport.ts'
import { watchOver } from './watchdog.ts'

export interface Connection {
  /** The container may be reachable now. */
  nudge(): void
  close(): void
}

/** An agent waits for its supervisor before it says hello, and a busy node takes its time. */
const GREETING_MS = 30_000
const LASTING_MS = 5_000
const PAUSE_MOST_MS = 2_000

/** Keeps one agent connected: at once after a stream that lasted was lost, then with growing pauses. */
export function stayConnected(
  connect: (signal: AbortSignal) => Promise<Transport>,
  on: { opened(agent: Agent): void; lost(cause: string): void },
  greetingMs = GREETING_MS,
): Connection {
  const abort = new AbortController()
  let wake = () => {}

  /** Resolves with an agent that has said hello; a stream that is opened too late, or says nothing, is closed. */
  const greet = async (signal: AbortSignal): Promise<Agent> => {
    const transport = await connect(signal)
    const end = () => transport.close()
    if (signal.aborted) end()
    signal.addEventListener('abort', end, { once: true })
    return openAgent(transport)
  }
  const connectOnce = async (): Promise<string> => {
    const attempt = new AbortController()
    const end = () => attempt.abort()
    abort.signal.addEventListener('abort', end, { once: true })
    try {
      const agent = await within(greetingMs, greet(attempt.signal))
      const stopWatching = watchOver(agent)
      on.opened(agent)
      const cause = await agent.closed
      stopWatching()
      return cause
    } finally {
      abort.signal.removeEventListener('abort', end)
      end()
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
      const beganAt = performance.now()
      const cause = await connectOnce().catch((error: unknown) => (error instanceof Error ? error.message : String(error)))
      on.lost(cause)
      failures = performance.now() - beganAt > LASTING_MS ? 0 : failures + 1
      if (failures > 1 && !abort.signal.aborted) await pause(Math.min(PAUSE_MOST_MS, 10 * 2 ** failures))
    }
  }
  void run()
  return {
    nudge: () => wake(),
    close: () => abort.abort(),
  }
}

/** Rejects when `work` is not done in time; what becomes of it later is nobody's concern. */
async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`it did not answer within ${ms / 1_000} s`)), ms).unref()
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

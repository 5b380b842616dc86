import { setTimeout as delay } from 'node:timers/promises'
import type { Book } from './book.ts'

/** How long a proof holds before the next one is asked for. */
const PROVEN_MS = 15_000
const PROBE_MS = 5_000
const FIRST_PAUSE_MS = 100
/** So that a network that came back is noticed within two seconds, and its absence costs nothing. */
const LONGEST_PAUSE_MS = 1_500

/**
 * Asks for a proof of the upstream, end to end, until the signal aborts: as long as it answers, only when nothing else was answered for a while;
 * after a failure again and again, with pauses that grow.
 */
export async function supervise(
  book: Book,
  probe: (signal: AbortSignal) => Promise<void>,
  signal: AbortSignal,
  intervalMs = PROVEN_MS,
): Promise<void> {
  let pauseMs = FIRST_PAUSE_MS
  while (!signal.aborted) {
    const { state, provenAt = 0 } = book.health()
    const rest = state === 'ready' ? provenAt + intervalMs - Date.now() : 0
    if (rest > 0) {
      await pause(Math.min(rest, 1_000), signal)
      continue
    }
    const deadline = AbortSignal.timeout(PROBE_MS)
    try {
      await probe(AbortSignal.any([signal, deadline]))
      if (signal.aborted) return
      book.prove()
      pauseMs = FIRST_PAUSE_MS
    } catch (error) {
      if (signal.aborted) return
      book.fail(deadline.aborted ? `no answer within ${PROBE_MS / 1_000} s` : (error as Error).message)
      await pause(pauseMs, signal)
      pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)
    }
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal, ref: false }).catch(() => {
    // Aborted while waiting: the loop's condition ends it.
  })
}

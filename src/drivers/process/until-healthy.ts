import { setTimeout as sleep } from 'node:timers/promises'
import type { HealthCheck } from './process-spec.ts'

const FIRST_PAUSE_MS = 2
const LONGEST_PAUSE_MS = 100
/** A pause is this part of what the start has taken so far, so that asking adds little to it. */
const SHARE = 1 / 16
/** A service that has answered this long that its health path does not exist will not learn it. */
const HOPELESS_MS = 5_000

/**
 * Asks until it is healthy: 2 ms apart at first, more rarely the longer it takes, at last every 100 ms. Not healthy within the time that
 * a start may take, or hopeless: the last reason. Throws the signal's reason when aborted.
 */
export async function untilHealthy(
  check: HealthCheck,
  signal: AbortSignal,
): Promise<{ ok: true } | { ok: false; reason: string }> {
  const began = performance.now()
  const deadline = began + check.startupMs
  let hopelessSince: number | undefined
  for (;;) {
    signal.throwIfAborted()
    const result = await check.probe(signal)
    signal.throwIfAborted()
    const now = performance.now()
    if (result.ok && now - began >= (check.settleMs ?? 0)) return result
    hopelessSince = !result.ok && result.hopeless === true ? (hopelessSince ?? now) : undefined
    if (!result.ok && (now > deadline || (hopelessSince !== undefined && now - hopelessSince > HOPELESS_MS))) {
      return { ok: false, reason: result.reason }
    }
    await sleep(Math.min(Math.max((now - began) * SHARE, FIRST_PAUSE_MS), LONGEST_PAUSE_MS), undefined, { signal })
  }
}

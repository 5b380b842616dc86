import { setTimeout as sleep } from 'node:timers/promises'

const FIRST_MS = 250
const LONGEST_MS = 30_000

/** Waits before the next start after so many crashes in a row: not at all after the first, then ever longer up to 30 s. False when the signal cut it short. */
export function pauseBefore(crashes: number, signal: AbortSignal): Promise<boolean> {
  return pause(crashes === 1 ? 0 : Math.min(FIRST_MS * 2 ** (crashes - 2), LONGEST_MS), signal)
}

/** False when the signal cut it short. */
export async function pause(ms: number, signal: AbortSignal): Promise<boolean> {
  try {
    await sleep(ms, undefined, { signal })
    return true
  } catch {
    return false // the only way a sleep fails
  }
}

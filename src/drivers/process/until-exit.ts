import { setTimeout as sleep } from 'node:timers/promises'
import { isAlive, type ProcessIdentity } from '../../core/process-identity.ts'
import type { Exit } from './launch.ts'

/** A look at one process is a read of a few bytes on Linux and a `ps` elsewhere. */
const PERIOD_MS = process.platform === 'linux' ? 100 : 1_000

/** The end of a process that is not our child, so that nobody tells us: undefined, since its exit code is not ours to know. */
export async function untilExit(identity: ProcessIdentity, signal: AbortSignal): Promise<Exit | undefined> {
  while (isAlive(identity) && !signal.aborted) {
    try {
      await sleep(PERIOD_MS, undefined, { signal })
    } catch {
      return undefined // let go of
    }
  }
  return undefined
}

import { readFileSync, readlinkSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { identifyProcess, type ProcessIdentity } from '../../core/process-identity.ts'
import { terminate } from '../process/terminate.ts'

const GRACE_MS = 10_000

/**
 * Makes way for a Postgres server on a data folder that an earlier one left its lock in. A server of that folder that still lives
 * is ended, since nothing else knows of it; a pid that belongs to somebody else by now only looks like one, and the lock goes.
 */
export async function clearStaleLock(data: string): Promise<void> {
  const path = join(data, 'postmaster.pid')
  let lines: string[]
  try {
    lines = readFileSync(path, 'utf8').split('\n')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
    throw error
  }
  const identity = identifyProcess(Number(lines[0]))
  if (identity !== undefined && servesFolder(identity, data)) {
    await terminate(identity, { signal: 'SIGINT', graceMs: GRACE_MS })
  }
  rmSync(path, { force: true })
}

/** A Postgres server stands in its data folder. Where that cannot be seen, the start time that it wrote into its lock must match. */
function servesFolder(identity: ProcessIdentity, data: string): boolean {
  if (process.platform === 'linux') {
    try {
      return readlinkSync(`/proc/${identity.pid}/cwd`) === data
    } catch {
      return false // another user's process, so not one of ours
    }
  }
  const written = Number(readFileSync(join(data, 'postmaster.pid'), 'utf8').split('\n')[2]) * 1_000
  return Math.abs(Date.parse(identity.startTime) - written) < 5_000
}

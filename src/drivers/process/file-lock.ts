import { readFileSync, rmSync, writeFileSync, linkSync, renameSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { ShivError } from '../../core/errors.ts'
import { identifyProcess, isAlive, type ProcessIdentity } from '../../core/process-identity.ts'

const PATIENCE_MS = 10_000
let counter = 0

/**
 * Does `work` while holding a lock file that names its owner by pid and start time; the lock of a dead process is taken away.
 * Throws LOCK_BUSY when a living owner keeps it for ten seconds.
 */
export async function withFileLock<T>(path: string, work: () => Promise<T>): Promise<T> {
  const mine = `${path}.${process.pid}.${(counter += 1)}`
  writeFileSync(mine, JSON.stringify(identifyProcess(process.pid)), { mode: 0o600 })
  try {
    const deadline = performance.now() + PATIENCE_MS
    while (!tryLink(mine, path)) {
      const holder = readHolder(path)
      if (holder === undefined || !isAlive(holder)) removeStale(path, mine)
      else if (performance.now() > deadline) {
        throw new ShivError(`Process ${holder.pid} keeps ${path} locked.`, { code: 'LOCK_BUSY', hint: `ps -p ${holder.pid}` })
      }
      await sleep(5)
    }
    try {
      return await work()
    } finally {
      rmSync(path, { force: true })
    }
  } finally {
    rmSync(mine, { force: true })
  }
}

function tryLink(from: string, to: string): boolean {
  try {
    linkSync(from, to)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

function readHolder(path: string): ProcessIdentity | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as ProcessIdentity
  } catch {
    return undefined // just given back: the next try takes it
  }
}

/** Moves a dead owner's lock aside, looks at what was moved, and puts a living one back: two who try do not take each other's. */
function removeStale(path: string, mine: string): void {
  const aside = `${mine}.stale`
  try {
    renameSync(path, aside)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
    throw error
  }
  const moved = readHolder(aside)
  if (moved !== undefined && isAlive(moved)) tryLink(aside, path)
  rmSync(aside, { force: true })
}

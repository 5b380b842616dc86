import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { identifyProcess, isAlive, type ProcessIdentity } from './process-identity.ts'

export type LockResult = { held: true; release(): void } | { held: false; holder: ProcessIdentity }

/**
 * Takes a lock file for this process; it holds the owner's pid and start time and appears whole (linked, never written in place).
 * The lock of a dead process is taken over by exactly one of those who try: they first take the lock beside it, then look again.
 */
export function acquireLock(path: string): LockResult {
  const me = identifyProcess(process.pid)
  if (me === undefined) throw new Error('this process cannot find its own start time')
  return acquire(path, me)
}

function acquire(path: string, me: ProcessIdentity): LockResult {
  const mine = `${path}.${me.pid}`
  writeFileSync(mine, JSON.stringify(me), { mode: 0o600 })
  try {
    for (;;) {
      if (tryLink(mine, path)) return { held: true, release: () => rmSync(path, { force: true }) }
      const holder = readHolder(path)
      if (holder === 'gone') continue
      if (holder !== 'unreadable' && isAlive(holder)) return { held: false, holder }
      const takeover = acquire(`${path}.takeover`, me)
      if (!takeover.held) return takeover
      try {
        const now = readHolder(path)
        if (now !== 'gone' && now !== 'unreadable' && isAlive(now)) return { held: false, holder: now }
        if (now === 'gone') continue
        renameSync(mine, path)
        return { held: true, release: () => rmSync(path, { force: true }) }
      } finally {
        takeover.release()
      }
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

/** Who holds a lock file now. */
export function readHolder(path: string): ProcessIdentity | 'gone' | 'unreadable' {
  try {
    const value = JSON.parse(readFileSync(path, 'utf8')) as Partial<ProcessIdentity>
    return typeof value.pid === 'number' && typeof value.startTime === 'string' ? (value as ProcessIdentity) : 'unreadable'
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'gone' : 'unreadable'
  }
}

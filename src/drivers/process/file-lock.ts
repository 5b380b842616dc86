import { setTimeout as sleep } from 'node:timers/promises'
import { ShivError } from '../../core/errors.ts'
import { acquireLock } from '../../core/lock-file.ts'

const PATIENCE_MS = 10_000

/**
 * Does `work` while holding a lock file that names its owner by pid and start time; the lock of a dead process is taken over.
 * Throws LOCK_BUSY when a living owner keeps it for ten seconds.
 */
export async function withFileLock<T>(path: string, work: () => Promise<T>): Promise<T> {
  const deadline = performance.now() + PATIENCE_MS
  for (;;) {
    const lock = acquireLock(path)
    if (lock.held) {
      try {
        return await work()
      } finally {
        lock.release()
      }
    }
    if (performance.now() > deadline) {
      const { pid } = lock.holder
      throw new ShivError(`Process ${pid} keeps ${path} locked.`, { code: 'LOCK_BUSY', hint: `ps -p ${pid}` })
    }
    await sleep(5)
  }
}

import { readFileSync } from 'node:fs'

const DEFAULT_QUEUE = 16_384
const listeners = new Set<() => void>()
let heard = 0
let isCounting = false
let limit: number | undefined

/**
 * Notices that the kernel's event queue may have run over. libuv drops the kernel's own word of it (IN_Q_OVERFLOW has no watch to belong to), and
 * reads the one queue that a thread's watches share until it is empty, without a turn between. So a queue that ran over was heard in full within
 * one turn. Half of it is enough to suspect: of the records that libuv keeps to itself (IN_IGNORED after a folder's end) each has one that is heard.
 */
export function countEvent(): void {
  heard += 1
  if (isCounting) return
  isCounting = true
  setImmediate(() => {
    const isSuspect = heard >= queueLength() / 2
    heard = 0
    isCounting = false
    if (isSuspect) for (const listener of listeners) listener()
  })
}

/** Calls `listener` at the end of each turn that heard a burst which the queue may not have held. Returns what ends it. */
export function onSuspectedOverflow(listener: () => void): () => void {
  queueLength()
  listeners.add(listener)
  return () => listeners.delete(listener)
}

/** How many events the kernel keeps for this thread; fixed when its first watch was set, and so read no later. */
export function queueLength(): number {
  if (process.platform !== 'linux') return Number.POSITIVE_INFINITY
  return (limit ??= readLimit('max_queued_events') ?? DEFAULT_QUEUE)
}

/** A limit of inotify; undefined where /proc does not tell. */
export function readLimit(name: 'max_queued_events' | 'max_user_watches' | 'max_user_instances'): number | undefined {
  try {
    return Number(readFileSync(`/proc/sys/fs/inotify/${name}`, 'utf8'))
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'EACCES') return undefined
    throw error
  }
}

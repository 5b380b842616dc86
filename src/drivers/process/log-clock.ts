import { appendFileSync, existsSync, mkdirSync, readFileSync, readdirSync, statSync, watch, type FSWatcher } from 'node:fs'
import { join } from 'node:path'
import { rotateLog } from './rotate-log.ts'

/** Finer than this is not worth a mark. */
const GRAIN_MS = 20
const LARGEST_BYTES = 10 * 1024 * 1024

/**
 * Notes when the bytes of log files arrived, in `FILE.times` (offset and epoch milliseconds a line), since processes write plain
 * lines straight into their files; and keeps the files' size bounded.
 */
export class LogClock {
  private readonly folder: string
  private readonly watcher: FSWatcher
  private readonly seen = new Map<string, { size: number; time: number }>()
  private readonly late = new Map<string, NodeJS.Timeout>()

  constructor(runDir: string) {
    this.folder = join(runDir, 'logs')
    mkdirSync(this.folder, { recursive: true, mode: 0o700 })
    for (const name of readdirSync(this.folder))
      if (name.endsWith('.log')) this.seen.set(name, { size: sizeOf(join(this.folder, name)), time: 0 })
    this.watcher = watch(this.folder, { persistent: false }, (_, name) => {
      if (name?.endsWith('.log') === true) this.mark(name)
    })
    // A folder that is purged while it is watched: there is nothing left to note.
    this.watcher.on('error', () => this.close())
  }

  close(): void {
    this.watcher.close()
    for (const timer of this.late.values()) clearTimeout(timer)
  }

  private mark(name: string): void {
    const path = join(this.folder, name)
    const before = this.seen.get(name) ?? { size: 0, time: 0 }
    const now = Date.now()
    if (now - before.time < GRAIN_MS) {
      if (!this.late.has(name)) this.late.set(name, setTimeout(() => this.late.delete(name) && this.mark(name), GRAIN_MS).unref())
      return
    }
    const size = sizeOf(path)
    if (size === before.size) return
    const from = size < before.size ? 0 : before.size
    this.seen.set(name, { size, time: now })
    if (existsSync(this.folder)) appendFileSync(`${path}.times`, `${from} ${now}\n`, { mode: 0o600 })
    if (size > LARGEST_BYTES) {
      rotateLog(path)
      this.seen.set(name, { size: sizeOf(path), time: now })
    }
  }
}

/** When the byte at an offset of a log file arrived: the mark before it, else the file's last change. */
export function readTimes(path: string): (offset: number) => number {
  const marks = existsSync(`${path}.times`)
    ? readFileSync(`${path}.times`, 'utf8')
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => line.split(' ').map(Number) as [number, number])
    : []
  const changed = existsSync(path) ? Math.floor(statSync(path).mtimeMs) : 0
  return (offset) => marks.findLast(([from]) => from <= offset)?.[1] ?? marks[0]?.[1] ?? changed
}

function sizeOf(path: string): number {
  return existsSync(path) ? statSync(path).size : 0
}

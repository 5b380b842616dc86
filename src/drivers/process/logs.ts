import { closeSync, existsSync, fstatSync, mkdirSync, openSync, readSync, readdirSync, watch } from 'node:fs'
import { once } from 'node:events'
import { join } from 'node:path'
import type { LogLine, LogQuery, RunContext } from '../../engine/ports.ts'
import { readTimes } from './log-clock.ts'
import { ownerOfLog } from './log-files.ts'
import { parseLogLine } from './parse-log-line.ts'

/** How far a file was read: the byte after its last whole line. */
type Positions = Map<string, number>

/** The lines of the wanted sources merged by time, then, when following, those that come, until the context is aborted. */
export async function* readLogs(query: LogQuery, context: RunContext): AsyncIterable<LogLine> {
  const folder = join(context.runDir, 'logs')
  const positions: Positions = new Map()
  if (!query.follow) {
    yield* chosen(readNew(folder, positions, query), query)
    return
  }
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  // Watched before the first look, so that nothing falls between.
  const watcher = watch(folder, { persistent: false })
  try {
    yield* chosen(readNew(folder, positions, query), query)
    while (!context.signal.aborted) {
      const changed = once(watcher, 'change', { signal: context.signal })
      const lines = readNew(folder, positions, query)
      if (lines.length > 0) {
        changed.catch(() => undefined) // not awaited this time round; an abort shows in the loop's condition
        yield* lines
      } else await changed
    }
  } catch (error) {
    if (!context.signal.aborted) throw error
  } finally {
    watcher.close()
  }
}

function chosen(lines: LogLine[], query: LogQuery): LogLine[] {
  const { since, tail } = query
  const recent = since === undefined ? lines : lines.filter(({ time }) => time >= since)
  if (tail === undefined) return recent
  const left = new Map<string, number>()
  const kept = recent.toReversed().filter(({ source }) => {
    const count = (left.get(source) ?? 0) + 1
    left.set(source, count)
    return count <= tail
  })
  return kept.toReversed()
}

/** Every whole line that was written since the last look. */
function readNew(folder: string, positions: Positions, query: LogQuery): LogLine[] {
  if (!existsSync(folder)) return []
  const lines = readdirSync(folder).flatMap((name) => {
    const owner = ownerOfLog(name)
    if (owner === undefined || (query.sources.length > 0 && !query.sources.includes(owner.source))) return []
    const path = join(folder, name)
    const before = positions.get(name)
    const size = sizeOf(path)
    if (before !== undefined && size === before) return []
    // Emptied since the last look: what was not read yet is in the file beside it.
    const rotated = before === undefined ? 0 : size < before ? before : undefined
    const old = rotated === undefined ? [] : readLines(`${path}.1`, rotated, owner).lines
    const fresh = readLines(path, rotated === undefined ? (before ?? 0) : 0, owner)
    positions.set(name, fresh.end)
    return [...old, ...fresh.lines]
  })
  return lines.sort((a, b) => a.time - b.time)
}

function readLines(
  path: string,
  from: number,
  owner: Pick<LogLine, 'source' | 'replica' | 'stream'>,
): { lines: LogLine[]; end: number } {
  if (!existsSync(path)) return { lines: [], end: from }
  const bytes = readFrom(path, from)
  const timeAt = readTimes(path)
  const lines: LogLine[] = []
  let start = 0
  for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, start)) {
    const text = bytes.toString('utf8', start, end).trimEnd()
    if (text !== '') lines.push(parseLogLine(text, owner, timeAt(from + start)))
    start = end + 1
  }
  return { lines, end: from + start }
}

function readFrom(path: string, from: number): Buffer {
  const file = openSync(path, 'r')
  try {
    const buffer = Buffer.alloc(Math.max(0, fstatSync(file).size - from))
    return buffer.subarray(0, readSync(file, buffer, 0, buffer.length, from))
  } finally {
    closeSync(file)
  }
}

function sizeOf(path: string): number {
  const file = openSync(path, 'r')
  try {
    return fstatSync(file).size
  } finally {
    closeSync(file)
  }
}

import type { LogLine } from '../ports.ts'

/**
 * Lines in the order of their times: each is held for `windowMs`, in which an earlier one of another pod may still come. A line that comes later than that is
 * passed on at once. Zero passes everything on.
 */
export async function* mergeByTime(lines: AsyncIterable<LogLine>, windowMs: number): AsyncGenerator<LogLine> {
  if (windowMs === 0) {
    yield* lines
    return
  }
  const held: { line: LogLine; until: number }[] = []
  const source = lines[Symbol.asyncIterator]()
  let next: Promise<IteratorResult<LogLine>> | undefined
  let isOver = false
  try {
    while (!isOver || held.length > 0) {
      const now = performance.now()
      while (held.length > 0 && (isOver || held[0]!.until <= now)) yield held.shift()!.line
      if (isOver) continue
      next ??= source.next()
      const wait = held.length > 0 ? Math.min(...held.map(({ until }) => until)) - now : undefined
      const result = await Promise.race([next, ...(wait === undefined ? [] : [pause(wait)])])
      if (result === undefined) continue
      next = undefined
      if (result.done) isOver = true
      else insert(held, { line: result.value, until: performance.now() + windowMs })
    }
  } finally {
    await source.return?.()
  }
}

/** Behind every line that is not later. */
function insert(held: { line: LogLine; until: number }[], entry: { line: LogLine; until: number }): void {
  const place = held.findLastIndex(({ line }) => line.time <= entry.line.time) + 1
  held.splice(place, 0, entry)
}

function pause(ms: number): Promise<undefined> {
  return new Promise((resolve) => setTimeout(() => resolve(undefined), Math.max(1, ms)))
}

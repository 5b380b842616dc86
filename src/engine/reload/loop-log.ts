import { appendFile, mkdir, readFile, rename, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Loop } from './loop.ts'

/** Beyond this the file begins anew and the one before is kept beside it. */
const LIMIT_BYTES = 4 << 20
const KEPT = 500

/** Where a run's loops are kept. */
export function loopFile(runFolder: string): string {
  return join(runFolder, 'loops.jsonl')
}

/** The last loops of a run: in memory, and one JSON object a line in a file that outlives the daemon. */
export interface LoopLog {
  add(loop: Loop): void
  /** Oldest first. */
  all(): Loop[]
  /** What the next loop is called. */
  nextId(): number
  /** Resolves when everything added is on disk. */
  flushed(): Promise<void>
}

/** Opens the log of a run; lines that cannot be read are skipped. `failed` hears of a write that did not succeed. */
export async function openLoopLog(path: string, failed: (error: unknown) => void): Promise<LoopLog> {
  const text = await readText(path)
  const loops = loopsIn(text)
  // A daemon that was killed while it wrote left half a line.
  let gap = text === '' || text.endsWith('\n') ? '' : '\n'
  let last = loops.at(-1)?.id ?? 0
  let writing: Promise<void> = Promise.resolve()
  return {
    add(loop) {
      loops.push(loop)
      if (loops.length > KEPT) loops.shift()
      const line = `${gap}${JSON.stringify(loop)}\n`
      gap = ''
      writing = writing.then(() => append(path, line)).catch(failed)
    },
    all: () => [...loops],
    nextId: () => (last += 1),
    flushed: () => writing,
  }
}

async function append(path: string, line: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  const size = await stat(path).then(
    ({ size }) => size,
    () => 0,
  )
  if (size > LIMIT_BYTES) await rename(path, `${path}.1`)
  await appendFile(path, line, { mode: 0o600 })
}

function readText(path: string): Promise<string> {
  return readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return ''
    throw error
  })
}

function loopsIn(text: string): Loop[] {
  return text
    .split('\n')
    .flatMap((line) => parse(line) ?? [])
    .slice(-KEPT)
}

function parse(line: string): Loop | undefined {
  try {
    const value = JSON.parse(line) as Loop | null
    return typeof value?.id === 'number' && Array.isArray(value.spans) ? value : undefined
  } catch {
    return undefined // the last line of a daemon that was killed
  }
}

import { appendFile, mkdir, open, readdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { historyLine, parseHistory, type HistoryEntry } from '../../bench/history.ts'
import { writeFileAtomic } from '../../core/atomic-file.ts'
import { acquireLock } from '../../core/lock-file.ts'
import { shivHome } from '../../core/paths.ts'

/** Where history is kept: one file a machine class. */
export function historyFolder(): string {
  return join(shivHome(), 'bench', 'history')
}

export function historyPath(machineClass: string): string {
  return join(historyFolder(), `${machineClass}.jsonl`)
}

/** Appends entries, each whole and on disk when this returns. A half line that a crash left before is kept as a line of its own. */
export async function appendHistory(path: string, entries: readonly HistoryEntry[]): Promise<void> {
  if (entries.length === 0) return
  await withLock(path, async () => {
    const file = await open(path, 'a+', 0o600)
    try {
      const { size } = await file.stat()
      const last = Buffer.alloc(1)
      if (size > 0) await file.read(last, 0, 1, size - 1)
      const gap = size === 0 || last.toString() === '\n' ? '' : '\n'
      await file.appendFile(gap + entries.map((entry) => `${historyLine(entry)}\n`).join(''))
      await file.sync()
    } finally {
      await file.close()
    }
  })
}

/**
 * Reads the history of a machine class. Lines that are no entry are put aside in a file of their own, so that they are told of once and
 * nothing is lost; `aside` names it then.
 */
export async function readHistory(path: string): Promise<{ entries: HistoryEntry[]; aside?: { path: string; lines: number } }> {
  const { entries, damaged } = parseHistory(await readText(path))
  if (damaged.length === 0) return { entries }
  const aside = path.replace(/\.jsonl$/, '.damaged')
  await withLock(path, async () => {
    const text = await readText(path)
    const now = new Set(parseHistory(text).damaged)
    await appendFile(aside, [...now].map((line) => `${line}\n`).join(''), { mode: 0o600 })
    await writeFileAtomic(
      path,
      text
        .split('\n')
        .filter((line) => !now.has(line))
        .join('\n'),
    )
  })
  return { entries, aside: { path: aside, lines: damaged.length } }
}

/** Machine classes that have a history here. */
export async function knownClasses(): Promise<string[]> {
  const names = await readdir(historyFolder()).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
  return names.flatMap((name) => /^([0-9a-f]{12})\.jsonl$/.exec(name)?.[1] ?? [])
}

function readText(path: string): Promise<string> {
  return readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return ''
    throw error
  })
}

async function withLock(path: string, work: () => Promise<void>): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  for (;;) {
    const lock = acquireLock(`${path}.lock`)
    if (lock.held) {
      try {
        return await work()
      } finally {
        lock.release()
      }
    }
    await new Promise((resolve) => setTimeout(resolve, 20)) // another bench appends, which takes milliseconds
  }
}

import { closeSync, fstatSync, mkdirSync, openSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { replicaOf } from './seats.ts'

const TAIL_BYTES = 16_384

export interface LogPaths {
  stdout: string
  stderr: string
}

/** The two files that a replica's processes write to; the folder is made when it is missing. */
export function logPaths(runDir: string, id: string): LogPaths {
  const folder = join(runDir, 'logs')
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  return { stdout: join(folder, `${replicaOf(id)}.stdout.log`), stderr: join(folder, `${replicaOf(id)}.stderr.log`) }
}

/** Whose lines a log file holds, by its name; undefined for a file that is none. */
export function ownerOfLog(file: string): { source: string; replica: string; stream: 'stdout' | 'stderr' } | undefined {
  const [, id, stream] = /^(@?[^@]+)\.(stdout|stderr)\.log$/.exec(file) ?? []
  if (id === undefined || (stream !== 'stdout' && stream !== 'stderr')) return undefined
  const name = replicaName(id)
  return { source: id.replace('@', '').split('.')[0] ?? id, replica: name, stream }
}

/** How people see an id: `orders-1`, `orders-cron-nightly`, `user-db`. */
export function replicaName(id: string): string {
  return id.replace('@', '').replaceAll('.', '-')
}

/** Where the files end now, so that the lines of one attempt can be told from those before it. */
export function markLogs(paths: LogPaths): { stdout: number; stderr: number } {
  return { stdout: sizeOf(paths.stdout), stderr: sizeOf(paths.stderr) }
}

/** The last lines of both files since `mark`, standard output first. */
export function lastLines(paths: LogPaths, mark: { stdout: number; stderr: number }, count = 20): string[] {
  const lines = [...readSince(paths.stdout, mark.stdout), ...readSince(paths.stderr, mark.stderr)]
  return lines.slice(-count)
}

function sizeOf(path: string): number {
  try {
    const file = openSync(path, 'r')
    try {
      return fstatSync(file).size
    } finally {
      closeSync(file)
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0
    throw error
  }
}

function readSince(path: string, mark: number): string[] {
  const size = sizeOf(path)
  const from = Math.max(size < mark ? 0 : mark, size - TAIL_BYTES)
  if (size === from) return []
  const file = openSync(path, 'r')
  try {
    const buffer = Buffer.alloc(size - from)
    const read = readSync(file, buffer, 0, buffer.length, from)
    return buffer
      .toString('utf8', 0, read)
      .split('\n')
      .map((line) => line.trimEnd())
      .filter((line) => line !== '')
  } finally {
    closeSync(file)
  }
}

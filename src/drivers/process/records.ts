import { mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { ProcessIdentity } from '../../core/process-identity.ts'
import type { ProcessSpec } from './process-spec.ts'

/** What is on disk of a process, so that another daemon finds it again: no secret, no behaviour. */
export interface ProcessRecord extends Pick<
  ProcessSpec,
  'id' | 'kind' | 'source' | 'unit' | 'replica' | 'ports' | 'debug' | 'opensDebuggerLate' | 'hash' | 'stop'
> {
  identity?: ProcessIdentity
  since: number
  restarts: number
  /** `replaced`: it was ended so that another could take its place at once. */
  state: 'running' | 'crashed' | 'replaced'
  cause?: string
  /** The order of its service when it was started. */
  startedBy?: { sequence: number; mark: string }
  /** The id in the environment that it was spawned with, where that is another. */
  markedAs?: string
}

export const recordsFolder = (runDir: string): string => join(runDir, 'processes')

/** Writes a record whole or not at all. Synchronous: between a spawn and its record nothing else may happen. */
export function writeRecord(runDir: string, record: ProcessRecord): void {
  writeWhole(join(recordsFolder(runDir), `${record.id}.json`), JSON.stringify(record))
}

/** Not flushed to the disk: what a crash of the machine takes away is of processes that it took too. */
export function writeWhole(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  writeFileSync(`${path}.tmp`, text, { mode: 0o600 })
  renameSync(`${path}.tmp`, path)
}

export function readRecords(runDir: string): ProcessRecord[] {
  const folder = recordsFolder(runDir)
  let names: string[]
  try {
    names = readdirSync(folder)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
  return names.filter((name) => name.endsWith('.json')).flatMap((name) => readRecord(join(folder, name)) ?? [])
}

function readRecord(path: string): ProcessRecord | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as ProcessRecord
  } catch (error) {
    // Torn when the machine went down, or removed meanwhile; a process that lives all the same is found by its mark.
    if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

export function removeRecord(runDir: string, id: string): void {
  rmSync(join(recordsFolder(runDir), `${id}.json`), { force: true })
}

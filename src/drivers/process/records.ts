import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, readdirSync, renameSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import type { ProcessIdentity } from '../../core/process-identity.ts'
import type { ProcessSpec } from './process-spec.ts'

/** What is on disk of a process, so that another daemon finds it again: no secret, no behaviour. */
export interface ProcessRecord extends Pick<
  ProcessSpec,
  'id' | 'kind' | 'source' | 'unit' | 'replica' | 'ports' | 'debug' | 'hash' | 'stop'
> {
  identity?: ProcessIdentity
  since: number
  restarts: number
  state: 'running' | 'crashed'
  cause?: string
}

const folder = (runDir: string) => join(runDir, 'processes')

/** Writes a record whole or not at all. Synchronous: between a spawn and its record nothing else may happen. */
export function writeRecord(runDir: string, record: ProcessRecord): void {
  mkdirSync(folder(runDir), { recursive: true, mode: 0o700 })
  const path = join(folder(runDir), `${record.id}.json`)
  const file = openSync(`${path}.tmp`, 'w', 0o600)
  try {
    writeSync(file, JSON.stringify(record))
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
  renameSync(`${path}.tmp`, path)
}

export function readRecords(runDir: string): ProcessRecord[] {
  let names: string[]
  try {
    names = readdirSync(folder(runDir))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
  return names
    .filter((name) => name.endsWith('.json'))
    .map((name) => JSON.parse(readFileSync(join(folder(runDir), name), 'utf8')) as ProcessRecord)
}

export function removeRecord(runDir: string, id: string): void {
  rmSync(join(folder(runDir), `${id}.json`), { force: true })
}

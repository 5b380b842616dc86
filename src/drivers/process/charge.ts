import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { isAlive } from '../../core/process-identity.ts'
import { recordsFolder, writeWhole, type ProcessRecord } from './records.ts'
import { replicaOf } from './seats.ts'

/** The newest order of a service: what a process that starts from now on runs. */
export interface StartedBy {
  sequence: number
  mark: string
}

/** What is on disk of a service's reloads: written in one step, so that a daemon that is killed leaves the old set in charge or the new one. */
export interface Charge {
  order?: StartedBy
  /** The seat that serves, by replica; absent means whichever lives. */
  seats: Record<string, string>
}

export type Living = ProcessRecord & { identity: NonNullable<ProcessRecord['identity']> }

export function readCharge(runDir: string, service: string): Charge {
  try {
    return JSON.parse(readFileSync(path(runDir, service), 'utf8')) as Charge
  } catch (error) {
    // One that is missing or torn says no more than that whatever lives is in charge.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT' || error instanceof SyntaxError) return { seats: {} }
    throw error
  }
}

export function writeCharge(runDir: string, service: string, charge: Charge): void {
  writeWhole(path(runDir, service), JSON.stringify(charge))
}

/** One record a replica: that of the seat in charge where it lives, else of another that lives. What is left over is not to live on. */
export function recordsInCharge(
  runDir: string,
  records: ProcessRecord[],
): { chosen: Map<string, ProcessRecord>; left: ProcessRecord[] } {
  const chosen = new Map<string, ProcessRecord>()
  const charges = new Map(records.map(({ source }) => [source, readCharge(runDir, source)]))
  const rank = (record: ProcessRecord): number => {
    const seat = charges.get(record.source)?.seats[replicaOf(record.id)]
    return (isKept(record) ? 2 : 0) + (record.id === seat ? 1 : 0)
  }
  for (const record of records) {
    const other = chosen.get(replicaOf(record.id))
    if (other === undefined || rank(record) > rank(other)) chosen.set(replicaOf(record.id), record)
  }
  return { chosen, left: records.filter((record) => chosen.get(replicaOf(record.id)) !== record) }
}

/** Whether it lives and is to go on living: one that was ended for a successor may take a while. */
export function isKept(record: ProcessRecord | undefined): record is Living {
  return isLiving(record) && record.state !== 'replaced'
}

export function isLiving(record: ProcessRecord | undefined): record is Living {
  return record?.identity !== undefined && isAlive(record.identity)
}

function path(runDir: string, service: string): string {
  return join(recordsFolder(runDir), `${service}.charge`)
}

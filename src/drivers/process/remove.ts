import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Plan } from '../../plan/types.ts'
import type { RunContext } from '../../engine/ports.ts'
import { existingFolder, removeDatabaseFolders, type DatabaseContext } from '../database/prepare-database.ts'
import type { ActiveRun } from './active-run.ts'
import { createPortRegistry } from './port-registry.ts'
import { readRecords, removeRecord, type ProcessRecord } from './records.ts'
import { sweepStrays } from './sweep.ts'
import { terminate } from './terminate.ts'

/** Ends everything of a run, services before the databases that they use, found by records and marks rather than by the Plan. */
export async function removeRun(
  plan: Plan,
  context: RunContext,
  run: ActiveRun | undefined,
  options: { purge: boolean; place: DatabaseContext },
): Promise<void> {
  const { runDir } = context
  await Promise.all([...(run?.crons.values() ?? [])].map((cron) => cron.stop()))
  const records = readRecords(runDir)
  const end = async (chosen: ProcessRecord[]) => {
    await Promise.all(chosen.map((record) => endOne(record, runDir, run)))
  }
  await end(records.filter(({ kind }) => kind !== 'database'))
  await end(records.filter(({ kind }) => kind === 'database'))
  const names = new Set([
    ...plan.databases.map(({ name }) => name),
    ...records.filter(({ kind }) => kind === 'database').map(({ source }) => source),
  ])
  const folders = await Promise.all(
    [...names].map(async (name) => [`@${name}`, await existingFolder(name, options.place)] as const),
  )
  await sweepStrays(runDir, new Map(folders), () => false)
  // What only a running process needs, or holds a password that credentials.json has anyway.
  for (const [, folder] of folders)
    for (const file of ['server.conf', 'password', 'data.new']) await rm(join(folder, file), { recursive: true, force: true })
  await rm(join(runDir, 'processes'), { recursive: true, force: true })
  for (const made of ['inspect.cjs', 'spare.cjs', 'spare.py', 'spare'])
    await rm(join(runDir, made), { recursive: true, force: true })
  if (!options.purge) return
  await removeDatabaseFolders(options.place)
  for (const name of ['data', 'out', 'logs', 'credentials.json', 'cron.json'])
    await rm(join(runDir, name), { recursive: true, force: true })
  await createPortRegistry(options.place.home).forget(`${context.runId}/`)
}

async function endOne(record: ProcessRecord, runDir: string, run: ActiveRun | undefined): Promise<void> {
  await run?.drop(record.id)
  if (record.identity !== undefined) await terminate(record.identity, record.stop)
  removeRecord(runDir, record.id)
}

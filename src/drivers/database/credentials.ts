import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { writeFileAtomic } from '../../core/atomic-file.ts'
import type { DatabaseField } from '../../spec/model.ts'
import type { DatabasePlan } from '../../plan/types.ts'
import { fillTemplate } from '../process/templates.ts'

export interface Credentials {
  user: string
  password: string
  name: string
}

const path = (runDir: string) => join(runDir, 'credentials.json')

/** The credentials of every database, made once and kept in `credentials.json` (0600); letters and digits only, so that no URL, SQL or shell needs quoting. */
export async function ensureCredentials(runDir: string, databases: DatabasePlan[]): Promise<Record<string, Credentials>> {
  const kept = await readCredentials(runDir)
  const missing = databases.filter((database) => kept[database.name] === undefined)
  for (const { name, preset } of missing) {
    kept[name] = {
      user: preset.credentials.user ?? '',
      password: preset.credentials.password ? randomBytes(24).toString('hex') : '',
      name: preset.credentials.name ?? '',
    }
  }
  if (missing.length > 0) await writeFileAtomic(path(runDir), JSON.stringify(kept, undefined, 2))
  return kept
}

export async function readCredentials(runDir: string): Promise<Record<string, Credentials>> {
  try {
    return JSON.parse(await readFile(path(runDir), 'utf8')) as Record<string, Credentials>
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {}
    throw error
  }
}

/** What a service is told about a database that listens on a port of this machine. */
export function databaseValues(database: DatabasePlan, credentials: Credentials, port: number): Record<DatabaseField, string> {
  const host = '127.0.0.1'
  const values = { ...credentials, host, port: String(port) }
  const url = fillTemplate(
    database.preset.url,
    { ...values, scheme: database.preset.scheme },
    `url of the preset ${database.type}`,
  )
  return { ...values, url }
}

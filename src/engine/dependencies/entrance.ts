import { randomBytes } from 'node:crypto'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { writeFileAtomic } from '../../core/atomic-file.ts'
import type { RemotePlan } from '../../plan/remote.ts'

/** What a service shows to be let in by the proxy of a database: the proxy's own, never the other environment's. */
export interface Entrance {
  user: string
  password: string
  database: string
}

/**
 * What the proxy of each database dependency asks of services: made once a run and kept in its folder (0600), so that services that outlive a
 * daemon are let in by the next one. Nothing of the other environment is in it. Letters and digits only: no URL needs quoting.
 */
export async function ensureEntrances(runDir: string, remotes: RemotePlan[]): Promise<Record<string, Entrance>> {
  const path = join(runDir, 'dependencies.json')
  const kept = await read(path)
  const missing = remotes.filter(({ name, target }) => target.kind === 'database' && kept[name] === undefined)
  for (const { name } of missing)
    kept[name] = { user: 'shiv', password: randomBytes(24).toString('hex'), database: databaseName(name) }
  if (missing.length > 0) {
    await mkdir(runDir, { recursive: true, mode: 0o700 })
    await writeFileAtomic(path, JSON.stringify(kept, undefined, 2))
  }
  return kept
}

/** Of the name that services call; the real one is the other environment's business. */
function databaseName(name: string): string {
  return name.replaceAll('-', '_')
}

async function read(path: string): Promise<Record<string, Entrance>> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as Record<string, Entrance>
  } catch (error) {
    // A file that is missing or broken is made anew; services are given the new values at the next start.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT' || error instanceof SyntaxError) return {}
    throw error
  }
}

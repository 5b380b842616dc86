import { existsSync } from 'node:fs'
import { readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { readHolder } from '../../core/lock-file.ts'
import { isAlive } from '../../core/process-identity.ts'
import { openClusterHome } from '../../drivers/kind/home.ts'
import type { Check } from './check.ts'

const HOUR_MS = 3_600_000

export const leftoverChecks: Check[] = [
  {
    id: 'leftovers',
    title: 'left behind',
    async look({ home }) {
      const stale: string[] = []
      for (const name of await readdir(home)) if (await isStale(join(home, name), name)) stale.push(name)
      if (stale.length === 0) return { state: 'ok', detail: 'no stale lock, no half-written file' }
      return {
        state: 'warning',
        detail: `of processes that were killed: ${stale.join(', ')}`,
        hint: 'shiv doctor --fix',
        async fix() {
          await Promise.all(stale.map((name) => rm(join(home, name), { force: true })))
          return `removed ${stale.join(', ')}`
        },
      }
    },
  },
  {
    id: 'clusters',
    title: 'clusters of shiv',
    async look({ home }) {
      const folder = join(home, 'clusters')
      const names = existsSync(folder) ? await readdir(folder) : []
      const records = await Promise.all(names.map((name) => openClusterHome(home, name).read()))
      const known = records.filter((record) => record !== undefined)
      const half = known.filter(({ state, creator }) => state === 'creating' && !(creator && isAlive(creator)))
      if (half.length > 0) {
        const detail = `half made by an interrupted start: ${half.map(({ name }) => name).join(', ')}`
        return { state: 'warning', detail, hint: 'shiv start makes it anew', needed: 'the kind runtime' }
      }
      return {
        state: 'ok',
        detail:
          known.length === 0 ? 'none yet' : known.map(({ name, kubernetes }) => `${name} (Kubernetes ${kubernetes})`).join(', '),
      }
    },
  },
]

/** A lock of a process that is dead, or a file that was being written more than an hour ago. */
async function isStale(path: string, name: string): Promise<boolean> {
  if (/^daemon\.lock(\.|$)/.test(name)) {
    const holder = readHolder(path)
    return holder !== 'gone' && (holder === 'unreadable' || !isAlive(holder))
  }
  return name.endsWith('.tmp') && Date.now() - (await stat(path)).mtimeMs > HOUR_MS
}

import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { writeFileAtomic } from '../../core/atomic-file.ts'
import type { ContextEntry } from './context-files.ts'

/** A file changed this recently may change again without its times telling: some file systems count in seconds. */
const settledMs = 2_000

/** Hashes of files that were read before, kept per context folder so that a big tree is read once. */
export interface HashCache {
  hash(entry: ContextEntry): Promise<string>
  save(): Promise<void>
}

/** Opens the cache of a context folder; an unreadable one counts as empty. */
export async function openHashCache(home: string, context: string): Promise<HashCache> {
  const folder = join(home, 'hashes')
  const file = join(folder, `${createHash('sha256').update(context).digest('hex').slice(0, 16)}.json`)
  const known = await readCache(file)
  const fresh: Record<string, [stamp: string, hash: string]> = {}
  let changed = false
  return {
    async hash(entry) {
      const cached = known[entry.path]
      if (cached?.[0] === entry.stamp) {
        fresh[entry.path] = cached
        return cached[1]
      }
      changed = true
      const startedAt = Date.now()
      const digest = createHash('sha256')
      await pipeline(createReadStream(join(context, entry.path)), digest)
      const hash = digest.digest('hex')
      if (entry.modifiedMs + settledMs < startedAt) fresh[entry.path] = [entry.stamp, hash]
      return hash
    },
    async save() {
      if (!changed) return
      await mkdir(folder, { recursive: true, mode: 0o700 })
      await writeFileAtomic(file, JSON.stringify(fresh))
    },
  }
}

async function readCache(file: string): Promise<Record<string, [string, string]>> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as Record<string, [string, string]>
  } catch {
    return {} // absent or torn: everything is read again, nothing is lost
  }
}

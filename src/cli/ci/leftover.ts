import { createHash } from 'node:crypto'
import { readFile, realpath, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { writeFileAtomic } from '../../core/atomic-file.ts'
import { shivHome } from '../../core/paths.ts'
import { makePrivateFolder } from '../../core/private-folder.ts'
import { identifyProcess, isAlive, type ProcessIdentity } from '../../core/process-identity.ts'

interface Mark {
  root: string
  owner: ProcessIdentity
  keepsData: boolean
}

/** Writes down that this process brings a workspace up and will take it down; gives what takes that back. */
export async function markBegun(root: string, keepsData: boolean): Promise<() => Promise<void>> {
  makePrivateFolder(folder())
  const path = fileOf(root)
  const mark: Mark = { root, owner: identifyProcess(process.pid)!, keepsData }
  await writeFileAtomic(path, JSON.stringify(mark))
  return () => rm(path, { force: true })
}

/** What a run that was killed left running in this workspace; undefined where none did. */
export async function leftoverOf(root: string): Promise<{ keepsData: boolean } | undefined> {
  try {
    const mark = JSON.parse(await readFile(fileOf(root), 'utf8')) as Mark
    return mark.root === root && !isAlive(mark.owner) ? { keepsData: mark.keepsData } : undefined
  } catch {
    return undefined // there is none, or only half of one was written
  }
}

/** Whoever starts something there by hand works with it from then on: nothing that runs is a leftover any more. `path` is in the workspace. */
export async function forgetLeftovers(path: string): Promise<void> {
  for (let place = await realpath(path).catch(() => path); ; place = dirname(place)) {
    await rm(fileOf(place), { force: true })
    if (place === dirname(place)) return
  }
}

function folder(): string {
  return join(shivHome(), 'ci')
}

function fileOf(root: string): string {
  return join(folder(), `${createHash('sha256').update(root).digest('hex').slice(0, 16)}.json`)
}

import { posix } from 'node:path'
import { setImmediate as yieldToOthers } from 'node:timers/promises'
import type { HeldFile } from '../ports.ts'
import type { SourceTree } from './source-tree.ts'

/** How a folder of the containers differs from what was installed for it: paths relative to that folder. */
export interface InstalledDifference {
  /** To be taken from what was installed. */
  taken: string[]
  /** Files that are there no more, and folders in which nothing is left. */
  gone: string[]
}

/** So many files are read before whoever waits gets a turn. */
const READ_AT_ONCE = 50

/**
 * What must be beyond the image so that its folder is what was installed, and nothing else. `image`: what that folder has in the image, by path.
 * `beyond`: paths that replicas were given before, which count even where the image has the same.
 */
export async function installedDifference(
  made: SourceTree,
  image: ReadonlyMap<string, HeldFile>,
  beyond: ReadonlySet<string>,
): Promise<InstalledDifference> {
  const same = new Set<string>()
  let read = 0
  for (const [path, { mode, link }] of made.files) {
    const held = image.get(path)
    if (held === undefined || held.link !== link) continue
    read += 1
    if (read % READ_AT_ONCE === 0) await yieldToOthers()
    if (link !== undefined || (held.mode === mode && held.hash === (await made.hash(path)))) same.add(path)
  }
  const isAsBefore = (path: string) => {
    const source = compiledFrom(path)
    // What Python compiled names the time of its source: that of the image's source goes with it, another one does not.
    return source !== undefined && made.files.has(source) ? image.has(path) && same.has(source) : same.has(path)
  }
  const taken = [...made.files.keys()].filter((path) => beyond.has(path) || !isAsBefore(path))
  const lost = new Set([...image.keys(), ...beyond].filter((path) => !made.files.has(path)))
  return { taken, gone: [...lost, ...emptied(lost, made.files.keys())] }
}

/** Folders that had files and have none: an empty one could still be taken for a package. */
function emptied(lost: Iterable<string>, made: Iterable<string>): string[] {
  const left = new Set([...made].flatMap((path) => foldersOf(path)))
  const had = new Set([...lost].flatMap((path) => foldersOf(path)))
  return [...had].filter((folder) => !left.has(folder)).sort((a, b) => b.length - a.length)
}

function foldersOf(path: string): string[] {
  const folders: string[] = []
  for (let at = posix.dirname(path); at !== '.'; at = posix.dirname(at)) folders.push(at)
  return folders
}

/** `a/__pycache__/b.cpython-311.pyc` → `a/b.py`. */
function compiledFrom(path: string): string | undefined {
  const found = /^(.*\/)?__pycache__\/([^/.]+)\.[^/]*\.pyc$/.exec(path)
  return found ? `${found[1] ?? ''}${found[2]}.py` : undefined
}

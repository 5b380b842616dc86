import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'

const MAX_DEPTH = 3

/** Folders of the workspace with a service.yaml, by name, down to depth 3. Hidden folders, node_modules, symlinks and other workspaces are passed over. */
export async function discoverServices(root: string, depth = 0): Promise<string[]> {
  const here = existsSync(join(root, 'service.yaml')) ? [root] : []
  if (depth === MAX_DEPTH) return here
  const below: string[] = []
  for (const name of await foldersIn(root)) {
    const folder = join(root, name)
    if (!existsSync(join(folder, 'shiv.yaml'))) below.push(...(await discoverServices(folder, depth + 1)))
  }
  return [...here, ...below]
}

/** Folders with a service.yaml whose path below `root` matches a pattern in which `*` stands for any characters of one name. */
export async function expandPattern(root: string, pattern: string): Promise<string[]> {
  let folders = [root]
  for (const part of pattern.split('/').filter((part) => part !== '' && part !== '.')) {
    const matches = (name: string) => matchesStars(name, part.split('*'))
    const next: string[] = []
    for (const folder of folders) for (const name of await foldersIn(folder)) if (matches(name)) next.push(join(folder, name))
    folders = next
  }
  return folders.filter((folder) => existsSync(join(folder, 'service.yaml')))
}

/** Linear, unlike a regular expression of many stars. */
function matchesStars(name: string, pieces: string[]): boolean {
  const first = pieces[0]!
  const last = pieces.at(-1)!
  if (pieces.length === 1) return name === first
  if (name.length < first.length + last.length || !name.startsWith(first) || !name.endsWith(last)) return false
  let at = first.length
  const end = name.length - last.length
  for (const piece of pieces.slice(1, -1)) {
    const found = name.indexOf(piece, at)
    if (found < 0 || found + piece.length > end) return false
    at = found + piece.length
  }
  return true
}

async function foldersIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    // A folder that this user may not list cannot hold a service of theirs.
    if (error.code === 'EACCES' || error.code === 'EPERM') return []
    throw error
  })
  return entries
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.') && entry.name !== 'node_modules')
    .map((entry) => entry.name)
    .toSorted()
}

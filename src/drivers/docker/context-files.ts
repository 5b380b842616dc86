import { lstat, readdir, readlink, realpath } from 'node:fs/promises'
import { dirname, join, resolve, sep } from 'node:path'
import { ShivError } from '../../core/errors.ts'
import type { IgnoreRules } from './ignore.ts'

/** One entry of a build context. */
export interface ContextEntry {
  /** Relative to the context, `/` between. */
  path: string
  kind: 'file' | 'folder' | 'link'
  /** Permission bits. */
  mode: number
  size: number
  /** Changes whenever the file's bytes may have changed: size, times and inode. */
  stamp: string
  modifiedMs: number
  /** Of a link. */
  target?: string
}

/**
 * What a build would see of a folder, sorted by path. Throws BUILD_LINK_OUTSIDE for a symbolic link that leaves the folder.
 * Sockets, pipes and devices are left out, as Docker does.
 */
export async function listContext(context: string, rules: IgnoreRules): Promise<ContextEntry[]> {
  const entries: ContextEntry[] = []
  await walk(await realpath(context), '', rules, entries)
  return entries.sort((a, b) => (a.path < b.path ? -1 : 1))
}

async function walk(root: string, folder: string, rules: IgnoreRules, entries: ContextEntry[]): Promise<void> {
  const children = await readdir(join(root, folder), { withFileTypes: true })
  const folders: string[] = []
  await Promise.all(
    children.map(async (child) => {
      const path = folder === '' ? child.name : `${folder}/${child.name}`
      const ignored = rules.ignores(path)
      if (child.isDirectory() && (!ignored || rules.mayReinclude)) folders.push(path)
      if (ignored) return
      const entry = await describe(root, path)
      if (entry !== undefined) entries.push(entry)
    }),
  )
  for (const path of folders) await walk(root, path, rules, entries)
}

async function describe(root: string, path: string): Promise<ContextEntry | undefined> {
  const absolute = join(root, path)
  const stat = await lstat(absolute, { bigint: true })
  const common = {
    path,
    mode: Number(stat.mode & 0o777n),
    size: Number(stat.size),
    stamp: `${stat.size}:${stat.mtimeNs}:${stat.ctimeNs}:${stat.ino}`,
    modifiedMs: Number(stat.ctimeMs > stat.mtimeMs ? stat.ctimeMs : stat.mtimeMs),
  }
  if (stat.isFile()) return { ...common, kind: 'file' }
  if (stat.isDirectory()) return { ...common, kind: 'folder' }
  if (!stat.isSymbolicLink()) return undefined
  const target = await readlink(absolute)
  const leadsTo = resolve(dirname(absolute), target)
  if (leadsTo !== root && !leadsTo.startsWith(root + sep)) {
    throw new ShivError(`${path} is a link to ${target}, outside the folder that is built.`, {
      code: 'BUILD_LINK_OUTSIDE',
      exit: 2,
      hint: `copy what it points to into the folder, or keep it out of the image: echo '${path}' >> .dockerignore`,
    })
  }
  return { ...common, kind: 'link', target }
}

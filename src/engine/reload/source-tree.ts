import { createHash } from 'node:crypto'
import { closeSync, fstatSync, lstatSync, readdirSync, readFileSync, readlinkSync, type BigIntStats } from 'node:fs'
import { dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { openPlain, openPlainSync } from '../../core/plain-file.ts'

/** A file of the working copy, as it was when it was last looked at. */
export interface SourceFile {
  /** Changes whenever the file's bytes or mode may have changed. */
  stamp: string
  mode: number
  sizeBytes: number
  /** Epoch milliseconds, with fractions. */
  modifiedMs: number
  /** Of a symbolic link: where it leads, as written. */
  link?: string
}

/** Read at once; what is larger is streamed. */
const SMALL_BYTES = 1 << 20

/** The files of a service's folder that are not ignored, kept in step with the disk by what a watcher tells. */
export class SourceTree {
  readonly root: string
  readonly files = new Map<string, SourceFile>()
  private readonly isIgnored: (path: string, isFolder: boolean) => boolean
  /** Every folder that has held a file. */
  private readonly folders = new Set<string>()
  private readonly hashes = new Map<string, { stamp: string; hash: string }>()

  constructor(root: string, isIgnored: (path: string, isFolder: boolean) => boolean) {
    this.root = root
    this.isIgnored = isIgnored
  }

  /** Looks at everything; returns the paths that differ from what was known. */
  scan(): string[] {
    const changed = new Set<string>()
    const seen = new Set<string>()
    this.visit('', changed, seen)
    for (const path of this.files.keys()) if (!seen.has(path)) this.forget(path, changed)
    return [...changed]
  }

  /** Looks at these paths, and at what is in them where they are folders; returns those that differ from what was known. */
  refresh(paths: string[]): string[] {
    const changed = new Set<string>()
    const folders = new Map<string, boolean>()
    for (const path of paths) {
      if (this.isIgnored(path, false)) continue
      const stat = this.isInFolder(path, folders) ? lstat(join(this.root, path)) : undefined
      const seen = new Set<string>()
      if (stat?.isDirectory()) this.visit(path, changed, seen)
      else if (stat && isKept(stat)) this.take(path, stat, changed)
      if (!stat || !isKept(stat)) this.forget(path, changed)
      if (this.folders.has(path)) this.forgetBelow(path, seen, changed)
    }
    return [...changed]
  }

  /** Whether any of these paths is not as it is known; nothing is taken note of. */
  differs(paths: string[]): boolean {
    const folders = new Map<string, boolean>()
    return paths.some((path) => {
      if (this.isIgnored(path, false)) return false
      const stat = this.isInFolder(path, folders) ? lstat(join(this.root, path)) : undefined
      const known = this.files.get(path)
      return stat && isKept(stat) ? known?.stamp !== stampOf(stat) : known !== undefined || stat?.isDirectory() === true
    })
  }

  /** sha-256 in hex of a file's bytes, or of a link's target; undefined when it cannot be read any more. */
  async hash(path: string): Promise<string | undefined> {
    const file = this.files.get(path)
    if (!file) return undefined
    const known = this.hashes.get(path)
    if (known?.stamp === file.stamp) return known.hash
    if (!this.isInFolder(path, new Map())) return undefined
    const hash = file.link === undefined ? await hashFile(join(this.root, path)) : hashText(file.link)
    if (hash !== undefined) this.hashes.set(path, { stamp: file.stamp, hash })
    return hash
  }

  /** Whether every folder on the way is one, and no link that leads elsewhere. `known`: what was found before. */
  private isInFolder(path: string, known: Map<string, boolean>): boolean {
    const folder = dirname(path)
    if (folder === '.') return true
    const found = known.get(folder) ?? (this.isInFolder(folder, known) && lstat(join(this.root, folder))?.isDirectory() === true)
    known.set(folder, found)
    return found
  }

  private visit(folder: string, changed: Set<string>, seen: Set<string>): void {
    this.folders.add(folder)
    for (const entry of entriesOf(join(this.root, folder))) {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`
      if (this.isIgnored(path, entry.isDirectory())) continue
      if (entry.isDirectory()) {
        this.visit(path, changed, seen)
        continue
      }
      const stat = lstat(join(this.root, path))
      if (!stat || !isKept(stat)) continue
      seen.add(path)
      this.take(path, stat, changed)
    }
  }

  private take(path: string, stat: BigIntStats, changed: Set<string>): void {
    const file: SourceFile = {
      stamp: stampOf(stat),
      mode: Number(stat.mode & 0o777n),
      sizeBytes: Number(stat.size),
      modifiedMs: Number(stat.mtimeNs / 1000n) / 1000,
      ...(stat.isSymbolicLink() && { link: readLink(join(this.root, path)) }),
    }
    const known = this.files.get(path)
    this.files.set(path, file)
    for (let at = path.lastIndexOf('/'); at > 0 && !this.folders.has(path.slice(0, at)); at = path.lastIndexOf('/', at - 1))
      this.folders.add(path.slice(0, at))
    if (known?.stamp !== file.stamp) changed.add(path)
  }

  private forgetBelow(folder: string, seen: Set<string>, changed: Set<string>): void {
    const below = `${folder}/`
    for (const path of this.files.keys()) if (path.startsWith(below) && !seen.has(path)) this.forget(path, changed)
  }

  private forget(path: string, changed: Set<string>): void {
    this.hashes.delete(path)
    if (this.files.delete(path)) changed.add(path)
  }
}

/** Where nothing is copied, what a process runs is told from the mark of what went before and from what changed. */
export function chainMark(before: string, files: string[], tree: SourceTree): string {
  const stamps = files.map((path) => `${path}\0${tree.files.get(path)?.stamp ?? ''}`)
  return hashText([before, ...stamps].join('\0')).slice(0, 16)
}

export function hashText(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

/** sha-256 in hex of a plain file's bytes; undefined when it is gone, may not be read or is something else. */
export async function hashFile(path: string): Promise<string | undefined> {
  try {
    const small = hashSmall(path)
    if (small !== undefined) return small
    const digest = createHash('sha256')
    const handle = await openPlain(path)
    await pipeline(handle.createReadStream(), digest)
    return digest.digest('hex')
  } catch {
    return undefined // whoever sends it tells the cause
  }
}

function hashSmall(path: string): string | undefined {
  const descriptor = openPlainSync(path)
  try {
    if (fstatSync(descriptor).size > SMALL_BYTES) return undefined
    return createHash('sha256').update(readFileSync(descriptor)).digest('hex')
  } finally {
    closeSync(descriptor)
  }
}

function stampOf(stat: BigIntStats): string {
  return `${stat.size}:${stat.mtimeNs}:${stat.ino}:${stat.mode & 0o777n}`
}

function readLink(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return '' // gone meanwhile: the watcher tells, and what leads nowhere is refused
  }
}

function isKept(stat: BigIntStats): boolean {
  return stat.isFile() || stat.isSymbolicLink()
}

function lstat(path: string): BigIntStats | undefined {
  try {
    return lstatSync(path, { bigint: true, throwIfNoEntry: false })
  } catch {
    return undefined // a folder of its way became a file, or may not be entered: as good as gone
  }
}

function entriesOf(folder: string) {
  try {
    return readdirSync(folder, { withFileTypes: true })
  } catch {
    return [] // gone meanwhile or unreadable: the watcher tells
  }
}

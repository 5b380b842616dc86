import { closeSync, fstatSync, lstatSync, readlinkSync } from 'node:fs'
import { dirname, join, normalize, relative } from 'node:path/posix'
import { NotPlain, openPlainSync } from '../../core/plain-file.ts'
import type { OverlayFile } from '../../engine/ports.ts'

/** Where agent.sh unpacks a frame, in the code folder. */
export const STAGE = '.shiv-incoming'

/** A file that can be sent, or why it cannot. */
export type Source = SendableFile | { cause: string }

export interface SendableFile {
  /** Relative to the code folder, with `./` in front. */
  path: string
  file: OverlayFile
  sizeBytes: number
  mtime: number
  link?: string
}

/** Looks at one file of an overlay: `path` is absolute in the container, `root` its code folder. */
export function inspectSource(root: string, path: string, file: OverlayFile): Source {
  const cause = whyNotPlace(root, path)
  if (cause !== undefined) return { cause }
  const place = { path: `./${relative(root, path)}`, file }
  if (file.source === undefined) return { ...place, sizeBytes: 0, mtime: 0 }
  if (/[\p{Surrogate}\ufffd]/u.test(file.source)) return { cause: 'its name is not UTF-8' }
  try {
    const found = lstatSync(file.source)
    const mtime = Math.floor(found.mtimeMs / 1000)
    if (found.isSymbolicLink() && file.link !== undefined) {
      const link = readlinkSync(file.source)
      if (leaves(root, path, link)) return { cause: `it is a link that leaves the code folder: ${link}` }
      return { ...place, sizeBytes: 0, mtime, link }
    }
    if (found.isFile()) return { ...place, sizeBytes: found.size, mtime }
    // Even to open a device may do something.
    if (!found.isSymbolicLink() && !found.isDirectory()) throw new NotPlain('it is not a plain file')
    const descriptor = openPlainSync(file.source)
    try {
      return { ...place, sizeBytes: fstatSync(descriptor).size, mtime }
    } finally {
      closeSync(descriptor)
    }
  } catch (error) {
    return { cause: causeOf(error) }
  }
}

/** Why the system does not give a file, in words. */
export function causeOf(error: unknown): string {
  if (error instanceof NotPlain) return `${error.message} here`
  const { code, message } = error as NodeJS.ErrnoException
  if (code === 'EACCES' || code === 'EPERM') return 'it cannot be read here: permission denied'
  if (code === 'ENOENT' || code === 'ENOTDIR') return 'it is gone here'
  return `it cannot be read here: ${message}`
}

function whyNotPlace(root: string, path: string): string | undefined {
  if (/[\p{Surrogate}\ufffd]/u.test(path)) return 'its name is not UTF-8'
  if (path.includes('\0')) return 'its name is none'
  const inside = relative(root, path)
  if (normalize(path) !== path || inside === '' || inside.startsWith('../') || inside === '..') {
    return `it would be outside of the code folder ${root}`
  }
  if (inside === STAGE || inside.startsWith(`${STAGE}/`)) return `${STAGE} is taken by shiv`
  if (Buffer.byteLength(path) > 4000) return 'its path is too long'
  return undefined
}

function leaves(root: string, path: string, link: string): boolean {
  const target = link.startsWith('/') ? normalize(link) : join(dirname(path), link)
  return target !== root && !target.startsWith(root === '/' ? '/' : `${root}/`)
}

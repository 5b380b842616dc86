import { open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'

let counter = 0

/**
 * Replaces a file so that a reader, or a crash at any moment, sees the old text or the new text whole:
 * written aside, flushed, renamed, and the folder flushed. Mode 0600 unless told.
 */
export async function writeFileAtomic(path: string, text: string, options: { mode?: number } = {}): Promise<void> {
  const aside = `${path}.${process.pid}.${(counter += 1)}.tmp`
  try {
    const file = await open(aside, 'wx', options.mode ?? 0o600)
    try {
      await file.writeFile(text)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(aside, path)
  } catch (error) {
    await rm(aside, { force: true })
    throw error
  }
  const folder = await open(dirname(path), 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

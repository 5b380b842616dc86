import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { decodeName } from './list-folder.ts'
import { openFolder, type OpenWatch } from './open-watch.ts'

const PATIENCE_MS = 500

/**
 * Whether a watch on one folder tells, by name, what is written to a file that was in it and what comes into it: the kernels of macOS, Linux and
 * Windows do, those of the BSDs tell of neither.
 */
export async function tellsOfFiles(openWatch: OpenWatch = openFolder): Promise<boolean> {
  const folder = await mkdtemp(join(tmpdir(), 'shiv-watch-'))
  try {
    await writeFile(join(folder, 'old'), 'a')
    const awaited = new Set(['old', 'new'])
    return await new Promise<boolean>((resolve, reject) => {
      const handle = openWatch(folder, (_type, name) => {
        if (name !== null) awaited.delete(decodeName(name) ?? '')
        if (awaited.size === 0) end(true)
      })
      const timer = setTimeout(() => end(false), PATIENCE_MS)
      const end = (isTold: boolean) => {
        clearTimeout(timer)
        handle.close()
        resolve(isTold)
      }
      handle.on('error', () => end(false))
      Promise.all([writeFile(join(folder, 'old'), 'b'), writeFile(join(folder, 'new'), 'b')]).catch(reject)
    })
  } catch (error) {
    // No watch to be had now says nothing about what one would tell; the watcher itself says what is used up.
    if (['ENOSPC', 'EMFILE'].includes((error as NodeJS.ErrnoException).code ?? '')) return process.platform === 'linux'
    throw error
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

import { realpath } from 'node:fs/promises'
import { ShivError } from '../../core/errors.ts'
import { isFolder } from './await-root.ts'

/** The real path of a folder to watch. Throws WATCH_ROOT_MISSING when there is none. */
export async function resolveRoot(root: string): Promise<string> {
  const path = await realpath(root).catch((cause: unknown) => {
    throw rootMissing(root, cause)
  })
  if (!isFolder(path)) throw rootMissing(root)
  return path
}

function rootMissing(root: string, cause?: unknown): ShivError {
  return new ShivError(`There is no folder ${root} to watch.`, {
    code: 'WATCH_ROOT_MISSING',
    hint: 'bring it back (git checkout, mkdir), or stop the run: shiv stop',
    cause,
  })
}

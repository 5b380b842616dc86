import { mkdir, realpath } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { writeFileAtomic } from '../../core/atomic-file.ts'
import { ShivError } from '../../core/errors.ts'
import { NotPlain, openPlain } from '../../core/plain-file.ts'
import { authorshipOf } from '../../generate/stamp.ts'
import { isInside } from '../../spec/inside.ts'

/** What is at the place of a generated file: `current` is what would be written, `outdated` what shiv wrote of something else. */
export type FileState = 'current' | 'missing' | 'outdated' | 'changed' | 'foreign'

/** Compares what is at `path` with `text`. Line ends of either kind are the same. */
export async function stateOf(path: string, text: string): Promise<FileState> {
  const found = await read(path)
  if (found === undefined) return 'missing'
  if (found === 'no file') return 'foreign'
  if (found.text.replaceAll('\r\n', '\n') === text) return 'current'
  const authorship = authorshipOf(found.text)
  return authorship === 'made' ? 'outdated' : authorship
}

async function read(path: string): Promise<{ text: string } | 'no file' | undefined> {
  try {
    const handle = await openPlain(path)
    try {
      return { text: await handle.readFile('utf8') }
    } finally {
      await handle.close()
    }
  } catch (error) {
    if (error instanceof NotPlain) return 'no file'
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw error
  }
}

/**
 * Writes a generated file below `root`, whole or not at all. What is somebody else's, or was changed by hand, is left alone unless `force`.
 * Returns how it was before. Throws GENERATE_CHANGED, and GENERATE_OUTSIDE where a link on the way leads out of `root`.
 */
export async function writeGenerated(
  { root, file, text }: { root: string; file: string; text: string },
  { force, command }: { force: boolean; command: string },
): Promise<FileState> {
  const path = join(root, file)
  const state = await stateOf(path, text)
  if (state === 'current') return state
  if ((state === 'changed' || state === 'foreign') && !force) throw notOurs(file, state, command)
  await stayInside(root, file)
  await mkdir(dirname(path), { recursive: true })
  await writeFileAtomic(path, text, { mode: 0o644 })
  return state
}

/** The nearest folder that is there has to be in the repository: a link may lead anywhere. */
async function stayInside(root: string, file: string): Promise<void> {
  for (let folder = dirname(join(root, file)); ; folder = dirname(folder)) {
    const real = await realpath(folder).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined
      throw error
    })
    if (real === undefined) continue
    if (isInside(root, real)) return
    throw new ShivError(`${file} would be written outside of the repository: ${folder} leads to ${real}.`, {
      code: 'GENERATE_OUTSIDE',
      exit: 2,
      hint: 'put a folder in place of the link, or take the text from --print',
    })
  }
}

function notOurs(file: string, state: 'changed' | 'foreign', command: string): ShivError {
  const what = state === 'changed' ? 'was changed by hand since shiv made it' : 'was not made by shiv'
  return new ShivError(`${file} ${what}, so it is left alone.`, {
    code: 'GENERATE_CHANGED',
    exit: 2,
    hint: `${command} --print shows what it would be; ${command} --force replaces it`,
  })
}

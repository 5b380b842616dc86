import { realpath } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { Fault } from '../core/errors.ts'
import { isInside } from './inside.ts'
import { faultAt } from './source.ts'
import type { Span } from './source.ts'

/**
 * The absolute form of a path that the user wrote relative to `base`. One that leaves `root` (real paths: also through a
 * symlink) or leads nowhere becomes a fault at `span`; then the result is undefined. What is outside is not looked at.
 */
export async function confine(
  root: string,
  base: string,
  written: string,
  span: Span,
  faults: Fault[],
): Promise<string | undefined> {
  const path = resolve(base, written)
  if (written.includes('\0') || !isInside(root, path)) {
    faults.push(outsideFault(written, span))
    return undefined
  }
  try {
    if (isInside(root, await realpath(path))) return path
    faults.push(outsideFault(written, span, ' through a symlink'))
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const message =
      code === 'ENOENT' || code === 'ENOTDIR' ? `"${written}" does not exist` : `"${written}" cannot be read (${code})`
    faults.push(faultAt(span, { code: 'SPEC_FILE_NOT_FOUND', message, hint: 'paths are relative to the folder of this file' }))
  }
  return undefined
}

/** The fault of a path that leads out of the workspace. */
export function outsideFault(written: string, span: Span, through = ''): Fault {
  return faultAt(span, {
    code: 'SPEC_OUTSIDE_WORKSPACE',
    message: `"${written}" leads out of the workspace${through}`,
    hint: 'name something inside of the folder that holds shiv.yaml (or the lone service.yaml)',
  })
}

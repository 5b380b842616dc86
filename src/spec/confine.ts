import { realpath } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
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
    const isOfFile = dirname(span.source.file) === base
    const hint = isOfFile
      ? 'paths are relative to the folder of this file'
      : 'this path is relative to the folder of the workspace'
    faults.push(faultAt(span, { code: 'SPEC_FILE_NOT_FOUND', message, hint }))
  }
  return undefined
}

/**
 * Checks a path below `root` that may not be there yet, unless it `isNeeded`. What leaves `root`, by its text or through a symlink of a
 * folder on its way, becomes a fault at `span`.
 */
export async function confineToBe(root: string, written: string, span: Span, faults: Fault[], isNeeded: boolean): Promise<void> {
  const path = resolve(root, written)
  if (isNeeded || !isInside(root, path) || written.includes('\0')) {
    await confine(root, root, written, span, faults)
    return
  }
  for (let at = path; isInside(root, at); at = dirname(at)) {
    const real = await realpath(at).catch(() => undefined)
    if (real !== undefined && isInside(root, real)) return
    if (real !== undefined) {
      faults.push(outsideFault(written, span, ' through a symlink'))
      return
    }
  }
}

/** The fault of a path that leads out of the workspace. */
export function outsideFault(written: string, span: Span, through = ''): Fault {
  return faultAt(span, {
    code: 'SPEC_OUTSIDE_WORKSPACE',
    message: `"${written}" leads out of the workspace${through}`,
    hint: 'name something inside of the folder that holds shiv.yaml (or the lone service.yaml)',
  })
}

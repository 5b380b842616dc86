import { chmodSync, lstatSync, mkdirSync, statSync } from 'node:fs'
import { ShivError } from './errors.ts'

/**
 * Makes a folder that only this user can enter (0700), or checks that it is one: a folder of somebody else, or its link, is refused
 * with HOME_UNSAFE, since what is written there must stay private.
 */
export function makePrivateFolder(path: string): void {
  mkdirSync(path, { recursive: true, mode: 0o700 })
  const found = statSync(path)
  const uid = process.getuid?.()
  if (!found.isDirectory() || (uid !== undefined && (found.uid !== uid || lstatSync(path).uid !== uid))) {
    throw new ShivError(`${path} belongs to somebody else, so shiv does not use it.`, {
      code: 'HOME_UNSAFE',
      exit: 3,
      hint: 'set SHIV_HOME to a folder of your own: export SHIV_HOME=~/.shiv',
    })
  }
  if ((found.mode & 0o077) !== 0) chmodSync(path, 0o700)
}

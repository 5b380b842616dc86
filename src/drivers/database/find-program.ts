import { accessSync, constants, readdirSync, statSync } from 'node:fs'
import { delimiter, isAbsolute, join } from 'node:path'

/** Where servers live that a login shell's PATH often lacks. */
const SERVER_FOLDERS = ['/usr/local/sbin', '/usr/sbin', '/sbin', '/usr/local/bin', '/opt/homebrew/bin', '/usr/libexec']

/** The absolute path of a program on PATH, or undefined. */
export function findOnPath(program: string, path: string | undefined): string | undefined {
  if (isAbsolute(program)) return isExecutable(program) ? program : undefined
  return (path ?? '')
    .split(delimiter)
    .filter((folder) => folder !== '')
    .map((folder) => join(folder, program))
    .find(isExecutable)
}

/** As `findOnPath`, and beyond PATH where distributions and Homebrew keep servers. */
export function findServer(program: string, path: string | undefined): string | undefined {
  const versioned = ['/usr/lib/postgresql', '/opt/homebrew/opt', '/usr/local/opt'].flatMap((parent) =>
    foldersOf(parent).map((name) => join(parent, name, 'bin')),
  )
  return findOnPath(program, [path ?? '', ...SERVER_FOLDERS, ...versioned].join(delimiter))
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return statSync(file).isFile()
  } catch {
    return false // not there, or not for us: the next folder may have it
  }
}

function foldersOf(parent: string): string[] {
  try {
    return readdirSync(parent).sort((a, b) => b.localeCompare(a, undefined, { numeric: true }))
  } catch {
    return [] // this system keeps nothing there
  }
}

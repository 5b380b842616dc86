import { execa } from 'execa'
import { createHash } from 'node:crypto'
import { chmodSync, chownSync, lstatSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ShivError } from '../../core/errors.ts'
import type { ProcessUser } from '../process/process-spec.ts'

/** In order of preference; a server that looks itself up by name needs one that exists. */
const ACCOUNTS = ['shiv', 'postgres', 'nobody']

/** Whether database servers need another user than the one that shiv runs as: they refuse root, and should. */
export function isRoot(): boolean {
  return process.getuid?.() === 0
}

/** The user that database servers run as when shiv is root; `existing` is a folder whose owner is kept. */
export function pickUnprivilegedUser(existing: string): ProcessUser {
  const owner = ownerOf(existing)
  if (owner !== undefined && owner.uid !== 0) return owner
  const accounts = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'))
  for (const name of ACCOUNTS) {
    const [, , uid, gid] = accounts.find(([account]) => account === name) ?? []
    // A negative id, as macOS has for nobody, is an unsigned number to the kernel.
    if (uid !== undefined && gid !== undefined && Number(uid) !== 0) return { uid: Number(uid) >>> 0, gid: Number(gid) >>> 0 }
  }
  throw new ShivError('shiv runs as root, and there is no unprivileged user for the database servers.', {
    code: 'DATABASE_USER_MISSING',
    exit: 3,
    hint: 'useradd --system --no-create-home shiv',
  })
}

/**
 * Folders for what that user must reach. A home under /root cannot be entered by anybody else, so each candidate is tried
 * as that user. Throws DATABASE_FOLDER_UNREACHABLE when none works.
 */
export async function reachableFolder(name: string, user: ProcessUser): Promise<string> {
  for (const parent of ['/var/lib', '/var/tmp']) {
    const folder = join(parent, name)
    if (makeOwnFolder(folder) && (await canReach(folder, user))) return folder
  }
  throw new ShivError('shiv runs as root, and no folder of this machine can be reached by the user of the database servers.', {
    code: 'DATABASE_FOLDER_UNREACHABLE',
    exit: 3,
    hint: `run shiv as a normal user, or make /var/lib enterable: chmod o+x /var /var/lib`,
  })
}

/** A name for the folders of one home, since /var/lib is everybody's. */
export function folderNameOf(home: string): string {
  return `shiv-${createHash('sha256').update(home).digest('hex').slice(0, 12)}`
}

/** Makes a folder that belongs to `user` alone. */
export function makeUserFolder(folder: string, user: ProcessUser | undefined): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  if (user === undefined) return
  chownSync(folder, user.uid, user.gid)
  chmodSync(folder, 0o700)
}

/** Whether that user can enter the folder: asked as that user, since modes, mounts and access lists all have a say. */
export async function canReach(path: string, user: ProcessUser): Promise<boolean> {
  const asked = await execa('test', ['-x', path], { uid: user.uid, gid: user.gid, cwd: '/', reject: false })
  return asked.exitCode === 0
}

/** Root's own folder that others may pass through but not list; false when somebody else made it first. */
function makeOwnFolder(folder: string): boolean {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o711 })
  } catch {
    return false // a read-only system: the next candidate may do
  }
  const found = lstatSync(folder)
  if (!found.isDirectory() || found.uid !== process.getuid?.()) return false
  chmodSync(folder, 0o711)
  return true
}

function ownerOf(folder: string): ProcessUser | undefined {
  try {
    const { uid, gid } = lstatSync(folder)
    return { uid, gid }
  } catch {
    return undefined // not there yet
  }
}

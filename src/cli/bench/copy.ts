import { constants } from 'node:fs'
import { copyFile, lstat, mkdir, mkdtemp, readdir, readlink, rm, symlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { alwaysIgnored } from '../../spec/always-ignored.ts'
import { git, type Repository } from './git.ts'

/** What a folder outside of git holds that is made anew: of tools, never written by hand. */
const MADE = new Set(['node_modules', '.venv', 'venv', '__pycache__'])

/** Values of the developer's own stay where they are: the copies have links to them. */
const SECRETS = /(^|\/)\.env(\.[^/]*)?$/

/** Copies the working copy at `from`: with git what is tracked or could be, as it is on disk; without it everything but what tools make. */
export async function copyWorkingCopy(from: string, to: string, repository: Repository | undefined): Promise<void> {
  await mkdir(to, { recursive: true })
  const paths = repository ? await listed(from) : await walked(from, '')
  for (const path of paths.filter((path) => !SECRETS.test(path))) await copyOne(join(from, path), join(to, path))
  await linkSecrets(from, to, paths)
}

/** Writes what a commit has of `folder` to `to`, through an index of its own: the repository, its index and its worktrees stay as they are. */
export async function copyCommit(folder: string, to: string, repository: Repository, commit: string): Promise<void> {
  const aside = await mkdtemp(join(dirname(to), 'index-'))
  const env = { GIT_INDEX_FILE: join(aside, 'index') }
  try {
    await git(repository.root, ['read-tree', commit], { env })
    const paths = await git(repository.root, ['ls-files', '-z', '--', `:(top,literal)${repository.prefix}`], { env })
    const whole = join(aside, 'tree')
    await git(repository.root, ['checkout-index', '--stdin', '-z', `--prefix=${whole}/`], { env, input: paths })
    await mkdir(to, { recursive: true })
    const written = await walked(join(whole, repository.prefix), '', new Set()).catch(nothingThere)
    for (const path of written) await copyOne(join(whole, repository.prefix, path), join(to, path))
    await linkSecrets(folder, to, written)
  } finally {
    await rm(aside, { recursive: true, force: true })
  }
}

async function listed(from: string): Promise<string[]> {
  const text = await git(from, ['ls-files', '-z', '--cached', '--others', '--exclude-standard', '--deduplicate', '--', '.'])
  return text.split('\0').filter((path) => path !== '')
}

async function walked(root: string, below: string, left = MADE): Promise<string[]> {
  const entries = await readdir(join(root, below), { withFileTypes: true })
  const paths: string[] = []
  for (const entry of entries) {
    if (left.has(entry.name) || (left.size > 0 && alwaysIgnored(entry.name) !== undefined)) continue
    const path = below === '' ? entry.name : `${below}/${entry.name}`
    if (entry.isDirectory()) paths.push(...(await walked(root, path, left)))
    else if (entry.isFile() || entry.isSymbolicLink()) paths.push(path)
  }
  return paths
}

async function copyOne(from: string, to: string): Promise<void> {
  const stat = await lstat(from).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined // tracked, and deleted in the working copy
    throw error
  })
  if (stat === undefined || stat.isDirectory()) return // a submodule is a repository of its own
  await mkdir(dirname(to), { recursive: true })
  if (stat.isSymbolicLink()) await symlink(await readlink(from), to)
  else await copyFile(from, to, constants.COPYFILE_FICLONE)
}

/** Links the `.env` files of the folders that were copied, of git or not. */
async function linkSecrets(from: string, to: string, copied: string[]): Promise<void> {
  const folders = new Set(['.', ...copied.map((path) => dirname(path))])
  for (const folder of folders) {
    const names = await readdir(join(from, folder)).catch(nothingThere)
    for (const name of names.filter((name) => SECRETS.test(name)))
      await symlink(join(from, folder, name), join(to, folder, name)).catch(alreadyThere)
  }
}

/** A commit has a file of that name, which is then the one that is measured. */
function alreadyThere(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EEXIST' && error.code !== 'ENOENT') throw error
}

function nothingThere(error: NodeJS.ErrnoException): string[] {
  if (error.code === 'ENOENT') return []
  throw error
}

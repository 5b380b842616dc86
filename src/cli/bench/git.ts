import { execFile } from 'node:child_process'
import { ShivError } from '../../core/errors.ts'

/** A folder's place in a repository. */
export interface Repository {
  /** The repository's own folder, absolute. */
  root: string
  /** From there to the folder that was asked about; ends in a slash, or is empty. */
  prefix: string
  /** Absent before the first commit. */
  commit?: string
  /** Absent on a detached head. */
  branch?: string
  /** History ends early: commits before it cannot be named. */
  isShallow: boolean
}

const LIMIT_BYTES = 512 << 20

/** Runs git in `folder`; its stdout. Throws what git says. */
export function git(
  folder: string,
  words: string[],
  { input, env }: { input?: string; env?: NodeJS.ProcessEnv } = {},
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile(
      'git',
      ['-C', folder, ...words],
      { maxBuffer: LIMIT_BYTES, env: { ...process.env, GIT_OPTIONAL_LOCKS: '0', ...env } },
      (error, stdout, stderr) => (error ? reject(new Error(stderr.trim() || error.message, { cause: error })) : resolve(stdout)),
    )
    // A git that ended before it read everything says why on stderr.
    child.stdin?.on('error', () => {})
    child.stdin?.end(input ?? '')
  })
}

/** The repository that `folder` is in; undefined when it is in none, or git is not on this machine. */
export async function repositoryOf(folder: string): Promise<Repository | undefined> {
  const lines = await git(folder, ['rev-parse', '--show-toplevel', '--show-prefix', '--is-shallow-repository']).catch(
    () => undefined,
  )
  if (lines === undefined) return undefined
  const [root = '', prefix = '', shallow] = lines.split('\n')
  const commit = await git(folder, ['rev-parse', '--verify', '--quiet', 'HEAD']).catch(() => undefined)
  const branch = await git(folder, ['symbolic-ref', '--quiet', '--short', 'HEAD']).catch(() => undefined)
  return {
    root,
    prefix,
    isShallow: shallow === 'true',
    ...(commit !== undefined && { commit: commit.trim() }),
    ...(branch !== undefined && { branch: branch.trim() }),
  }
}

/** Whether files below `folder` differ from the commit, or are in none. */
export async function isDirty(folder: string): Promise<boolean> {
  return (await git(folder, ['status', '--porcelain', '--untracked-files=normal', '--', '.'])) !== ''
}

/** The commit that a name means, in full. Throws BENCH_UNKNOWN_COMMIT; in a shallow clone it says that history ends there. */
export async function resolveCommit(repository: Repository, name: string): Promise<string> {
  // A name that begins with a dash would be a flag of git's.
  const found = name.startsWith('-')
    ? undefined
    : await git(repository.root, ['rev-parse', '--verify', '--quiet', '--end-of-options', `${name}^{commit}`]).catch(
        () => undefined,
      )
  if (found !== undefined) return found.trim()
  throw new ShivError(
    `${name} is no commit, branch or tag here${repository.isShallow ? ', in a clone whose history was cut off' : ''}.`,
    {
      code: 'BENCH_UNKNOWN_COMMIT',
      exit: 2,
      hint: repository.isShallow ? 'git fetch --unshallow' : 'git fetch --all, or name one of git log --oneline',
    },
  )
}

import { existsSync, readFileSync } from 'node:fs'
import { realpath } from 'node:fs/promises'
import { join } from 'node:path'
import { ShivError } from '../../core/errors.ts'
import { authorshipOf } from '../../generate/stamp.ts'
import { includesFile } from '../../generate/ci/gitlab-include.ts'
import { GITHUB_FILE } from '../../generate/ci/github.ts'
import { GITLAB_FILE, GITLAB_PART } from '../../generate/ci/gitlab.ts'
import type { Platform } from '../../generate/ci/setup.ts'
import { git, repositoryOf } from '../bench/git.ts'
import { inputError } from '../parse.ts'

/** The real, absolute root of the repository that a folder is in. Throws GENERATE_NO_REPOSITORY. */
export async function repositoryRoot(folder: string): Promise<string> {
  const repository = await repositoryOf(folder)
  if (repository) return realpath(repository.root)
  throw new ShivError(`${folder} is in no git repository, and a pipeline belongs to the root of one.`, {
    code: 'GENERATE_NO_REPOSITORY',
    exit: 2,
    hint: `git init ${folder}`,
  })
}

/** The platform by what is in the repository, else by where its origin is. Throws GENERATE_WHICH_PLATFORM. */
export async function findPlatform(root: string): Promise<Platform> {
  const seen = { github: existsSync(join(root, '.github')), gitlab: existsSync(join(root, GITLAB_FILE)) }
  if (seen.github !== seen.gitlab) return seen.github ? 'github' : 'gitlab'
  const origin = await git(root, ['remote', 'get-url', 'origin']).catch(() => '')
  const host = hostOf(origin.trim())
  if (/(^|\.)github\./.test(host)) return 'github'
  if (/(^|\.)gitlab\./.test(host)) return 'gitlab'
  throw inputError(
    'GENERATE_WHICH_PLATFORM',
    seen.github
      ? 'This repository has both .github and .gitlab-ci.yml, and its origin does not decide.'
      : 'Nothing here says whether this repository is on GitHub or on GitLab.',
    'shiv generate ci github, or shiv generate ci gitlab',
  )
}

/** The host of a URL, or of git's own `user@host:path`. */
function hostOf(remote: string): string {
  return /^(?:[a-z+]+:\/\/)?(?:[^@/]*@)?([^:/]+)/.exec(remote)?.[1]?.toLowerCase() ?? ''
}

/** The branch that is deployed: what origin calls its head, else main or master, else the branch here. */
export async function defaultBranch(root: string): Promise<string> {
  const head = await git(root, ['symbolic-ref', '--quiet', '--short', 'refs/remotes/origin/HEAD']).catch(() => '')
  if (head.trim() !== '') return head.trim().replace(/^origin\//, '')
  for (const name of ['main', 'master']) {
    for (const ref of [`refs/remotes/origin/${name}`, `refs/heads/${name}`]) {
      const isThere = await git(root, ['show-ref', '--verify', '--quiet', ref]).then(
        () => true,
        () => false,
      )
      if (isThere) return name
    }
  }
  const here = await git(root, ['symbolic-ref', '--quiet', '--short', 'HEAD']).catch(() => '')
  return here.trim() || 'main'
}

/** Where the pipeline goes, from the root. A GitLab project that has a pipeline of its own gets a part, which that one includes. */
export function pipelineFile(root: string, platform: Platform): { file: string; isPart: boolean; isIncluded: boolean } {
  if (platform === 'github') return { file: GITHUB_FILE, isPart: false, isIncluded: true }
  const own = join(root, GITLAB_FILE)
  const text = existsSync(own) ? readFileSync(own, 'utf8') : undefined
  const isPart = text !== undefined && authorshipOf(text) === 'foreign'
  return { file: isPart ? GITLAB_PART : GITLAB_FILE, isPart, isIncluded: !isPart || includesFile(text, GITLAB_PART) }
}

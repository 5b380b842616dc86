import { execa } from 'execa'
import { isCommitId } from '../../core/commit-id.ts'
import type { SourceReader } from '../../engine/deploy/ports.ts'
import type { Source } from '../../engine/deploy/release.ts'

/** Commits that a release names; of more than these the oldest are left out. */
const MOST = 50
const TIMEOUT_MS = 10_000
const LOG = ['-c', 'log.showSignature=false', 'log']
const FIELDS = '%H%x09%ct%x09%s'

/** Reads what a folder's git says, by the user's own git; each thing that it cannot say is told in words. */
export const sourceReader: SourceReader = {
  async read(folder, lastKnown, environment) {
    // It comes from the cluster: what is no commit is nothing for git's command line.
    const last = lastKnown !== undefined && isCommitId(lastKnown) ? lastKnown : undefined
    const git = async (...argv: string[]): Promise<string | undefined> => {
      const env = { ...environment, GIT_OPTIONAL_LOCKS: '0', LC_ALL: 'C' }
      const options = { cwd: folder, env, extendEnv: false, reject: false, timeout: TIMEOUT_MS, stdin: 'ignore' as const }
      const result = await execa('git', argv, options)
      if (result.code === 'ENOENT') return undefined
      return result.exitCode === 0 ? result.stdout : undefined
    }
    const [head, status, branch, shallow] = await Promise.all([
      git(...LOG, '-1', `--format=${FIELDS}`),
      git('status', '--porcelain', '--untracked-files=normal', '--', '.'),
      git('symbolic-ref', '--short', '-q', 'HEAD'),
      git('rev-parse', '--is-shallow-repository'),
    ])
    const newest = parseCommits(head)[0]
    if (newest === undefined) return { unknown: [await whyNothing(git)] }
    const unknown: string[] = []
    const since =
      last === undefined ? undefined : parseCommits(await git(...LOG, `-${MOST}`, `--format=${FIELDS}`, `${last}..HEAD`))
    const isKnown = last === undefined || (await git('cat-file', '-e', `${last}^{commit}`)) !== undefined
    if (!isKnown) {
      const why =
        shallow === 'true' ? 'this is a shallow clone (git fetch --unshallow brings the rest)' : 'it is not in this repository'
      unknown.push(`which commits came since the last release ${last?.slice(0, 12)}: ${why}`)
    }
    if (status === undefined) unknown.push('whether files differ from the commit: git status failed')
    const ahead = newest.time - Date.now()
    if (ahead > 1_000) {
      unknown.push(`how old the commit is: its time is ${Math.round(ahead / 1_000)} s ahead of this machine's clock`)
    }
    const source: Source = {
      commit: newest.commit,
      commitTime: newest.time,
      subject: newest.subject,
      ...(branch !== undefined && branch !== '' && { branch }),
      isDirty: status !== '',
      ...(since !== undefined && isKnown && { since: since.map(({ commit, time }) => ({ commit, time })) }),
    }
    return { source, unknown }
  },
}

async function whyNothing(git: (...argv: string[]) => Promise<string | undefined>): Promise<string> {
  if ((await git('--version')) === undefined) return 'which commit this is: there is no git on PATH'
  const isRepository = (await git('rev-parse', '--git-dir')) !== undefined
  return isRepository
    ? 'which commit this is: nothing was committed yet'
    : 'which commit this is: the folder is in no git repository'
}

function parseCommits(text: string | undefined): { commit: string; time: number; subject: string }[] {
  return (text ?? '')
    .split('\n')
    .filter(Boolean)
    .map((line) => {
      const [commit = '', seconds = '', ...subject] = line.split('\t')
      return { commit, time: Number(seconds) * 1_000, subject: subject.join(' ').slice(0, 200) }
    })
}

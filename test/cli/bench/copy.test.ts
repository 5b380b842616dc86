import { execa } from 'execa'
import { lstat, mkdir, mkdtemp, readFile, readdir, readlink, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { copyCommit, copyWorkingCopy } from '../../../src/cli/bench/copy.ts'
import { isDirty, repositoryOf, resolveCommit } from '../../../src/cli/bench/git.ts'
import { writeTree } from '../../support/own-shiv.ts'

let folder: string
let tree: string
let to: string

const git = (...words: string[]) => execa('git', ['-C', tree, '-c', 'user.name=t', '-c', 'user.email=t@example.com', ...words])
const filesOf = async (root: string): Promise<string[]> =>
  (await readdir(root, { recursive: true, withFileTypes: true }))
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
    .sort()

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'shiv-bench-copy-'))
  tree = join(folder, 'repository', 'apps')
  to = join(folder, 'stage', 'tree')
  await mkdir(join(folder, 'stage'))
  await writeTree(tree, {
    'service.yaml': 'name: orders\n',
    'src/server.js': 'first\n',
    'odd name\twith\nlines.js': 'odd\n',
    'gone.js': 'gone\n',
    '.gitignore': 'node_modules\n.env.local\n',
  })
  await writeTree(join(folder, 'repository'), { 'elsewhere/big.bin': 'not of the workspace' })
})
afterEach(() => rm(folder, { recursive: true, force: true }))

async function commitAll(): Promise<string> {
  await execa('git', ['init', '-q', '-b', 'main', join(folder, 'repository')])
  await execa('git', ['-C', join(folder, 'repository'), 'add', '-A'])
  await git('commit', '-qm', 'one')
  return (await git('rev-parse', 'HEAD')).stdout
}

describe('the copy of a dirty working copy', () => {
  it('is what stands on disk, without what git ignores, and changes nothing', async () => {
    await commitAll()
    await writeTree(tree, {
      'src/server.js': 'edited\n',
      'src/new.js': 'untracked\n',
      'node_modules/left/index.js': 'made\n',
      '.env.local': 'TOKEN=very-secret\n',
    })
    await rm(join(tree, 'gone.js'))
    const before = await git('status', '--porcelain', '--ignored')
    const repository = await repositoryOf(tree)
    expect(repository).toMatchObject({ prefix: 'apps/', branch: 'main', isShallow: false })
    expect(await isDirty(tree)).toBe(true)
    await copyWorkingCopy(tree, to, repository)
    expect(await filesOf(to)).toEqual(
      ['.env.local', '.gitignore', 'odd name\twith\nlines.js', 'service.yaml', 'src/new.js', 'src/server.js'].sort(),
    )
    expect(await readFile(join(to, 'src/server.js'), 'utf8')).toBe('edited\n')
    // The developer's own values are not written a second time.
    expect((await lstat(join(to, '.env.local'))).isSymbolicLink()).toBe(true)
    expect(await readlink(join(to, '.env.local'))).toBe(join(tree, '.env.local'))
    expect((await git('status', '--porcelain', '--ignored')).stdout).toBe(before.stdout)
  })

  it('keeps links as links', async () => {
    await commitAll()
    await symlink('server.js', join(tree, 'src/alias.js'))
    await copyWorkingCopy(tree, to, await repositoryOf(tree))
    expect(await readlink(join(to, 'src/alias.js'))).toBe('server.js')
  })
})

describe('the copy of a folder outside of git', () => {
  it('leaves out what tools make', async () => {
    await writeTree(tree, { 'node_modules/left/index.js': 'made\n', '.git/HEAD': 'broken', 'src/deep/.venv/x': 'made' })
    expect(await repositoryOf(tree)).toBeUndefined()
    await copyWorkingCopy(tree, to, undefined)
    expect(await filesOf(to)).toEqual(
      ['.gitignore', 'gone.js', 'odd name\twith\nlines.js', 'service.yaml', 'src/server.js'].sort(),
    )
  })
})

describe('the copy of a commit', () => {
  it('is the workspace as it was there, and leaves no trace in the repository', async () => {
    const commit = await commitAll()
    await writeTree(tree, { 'src/server.js': 'edited\n' })
    await git('add', '-A')
    const index = await readFile(join(folder, 'repository/.git/index'))
    const repository = (await repositoryOf(tree))!
    await copyCommit(tree, to, repository, await resolveCommit(repository, 'main'))
    expect(await readFile(join(to, 'src/server.js'), 'utf8')).toBe('first\n')
    expect(await filesOf(to)).not.toContain('elsewhere/big.bin')
    expect(await filesOf(to)).toContain('odd name\twith\nlines.js')
    expect(await readFile(join(folder, 'repository/.git/index'))).toEqual(index)
    expect((await git('worktree', 'list', '--porcelain')).stdout.match(/^worktree /gm)).toHaveLength(1)
    expect((await git('rev-parse', 'HEAD')).stdout).toBe(commit)
    expect(await readdir(join(folder, 'stage'))).toEqual(['tree'])
  })

  it('is refused for what is no commit, and a shallow clone says what it cannot know', async () => {
    await commitAll()
    const repository = (await repositoryOf(tree))!
    for (const name of ['nowhere', '--help', ''])
      await expect(resolveCommit(repository, name), name).rejects.toMatchObject({ code: 'BENCH_UNKNOWN_COMMIT', exit: 2 })
    await git('commit', '-qm', 'two', '--allow-empty')
    const clone = join(folder, 'clone')
    await execa('git', ['clone', '-q', '--depth', '1', `file://${join(folder, 'repository')}`, clone])
    const shallow = (await repositoryOf(join(clone, 'apps')))!
    expect(shallow.isShallow).toBe(true)
    await expect(resolveCommit(shallow, 'HEAD~1')).rejects.toMatchObject({
      code: 'BENCH_UNKNOWN_COMMIT',
      message: expect.stringContaining('history was cut off'),
      hint: 'git fetch --unshallow',
    })
  })
})

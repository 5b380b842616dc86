import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { sourceReader } from '../../../src/drivers/git/read-source.ts'

let folder: string
beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), 'shiv-source-test-'))))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

// Whatever repository this test itself is in, and whatever its user configured, is none of the test's.
const environment = { ...process.env, GIT_CEILING_DIRECTORIES: tmpdir(), GIT_CONFIG_GLOBAL: '/dev/null' }

function git(cwd: string, words: string[], extra: NodeJS.ProcessEnv = {}): string {
  const identity = ['-c', 'user.name=Ada', '-c', 'user.email=ada@example.com']
  return execFileSync('git', [...identity, ...words], {
    cwd,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...environment, ...extra },
  }).trim()
}

function commit(root: string, name: string, date?: string): string {
  writeFileSync(join(root, 'file'), name)
  git(root, ['add', '--all'])
  git(root, ['commit', '--quiet', '--message', name], date === undefined ? {} : { GIT_COMMITTER_DATE: date })
  return git(root, ['rev-parse', 'HEAD'])
}

function repository(name: string): string {
  const root = join(folder, name)
  mkdirSync(root)
  git(root, ['init', '--quiet', '--initial-branch', 'main'])
  return root
}

const read = (root: string, last?: string) => sourceReader.read(root, last, environment)

it('names the commit, its own time and branch, and whether files differ from it', async () => {
  const root = repository('plain')
  const head = commit(root, 'first change', '2026-01-02T03:04:05Z')
  const clean = await read(root)
  expect(clean).toEqual({
    source: {
      commit: head,
      commitTime: Date.parse('2026-01-02T03:04:05Z'),
      subject: 'first change',
      branch: 'main',
      isDirty: false,
    },
    unknown: [],
  })
  writeFileSync(join(root, 'untracked'), '')
  expect((await read(root)).source).toMatchObject({ isDirty: true })
})

it('names the commits since the last release, newest first', async () => {
  const root = repository('since')
  const [first, second, third] = [commit(root, 'one'), commit(root, 'two'), commit(root, 'three')]
  expect((await read(root, first)).source!.since!.map(({ commit }) => commit)).toEqual([third, second])
  expect((await read(root, third)).source!.since).toEqual([])
})

it('says what a shallow clone cannot know', async () => {
  const root = repository('deep')
  const first = commit(root, 'one')
  commit(root, 'two')
  git(folder, ['clone', '--quiet', '--depth', '1', `file://${root}`, 'shallow'])
  const { source, unknown } = await read(join(folder, 'shallow'), first)
  expect(source).toMatchObject({ subject: 'two' })
  expect(source!.since).toBeUndefined()
  expect(unknown.join()).toMatch(/commits came since .* shallow clone/)
})

it('says that a commit is of the future', async () => {
  const root = repository('future')
  commit(root, 'early', new Date(Date.now() + 3_600_000).toISOString())
  expect((await read(root)).unknown.join()).toMatch(/how old the commit is: its time is 3\d{3} s ahead/)
})

it('says that there is no repository, no commit, or no git', async () => {
  const bare = join(folder, 'bare')
  mkdirSync(bare)
  expect(await read(bare)).toEqual({ unknown: ['which commit this is: the folder is in no git repository'] })
  expect(await read(repository('empty'))).toEqual({ unknown: ['which commit this is: nothing was committed yet'] })
  const none = await sourceReader.read(bare, undefined, { ...environment, PATH: '/nowhere' })
  expect(none).toEqual({ unknown: ['which commit this is: there is no git on PATH'] })
})

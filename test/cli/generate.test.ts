import { execFileSync } from 'node:child_process'
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { runCli, type Ended } from '../support/cli.ts'
import { shivBin } from '../support/own-shiv.ts'

const GITHUB = '.github/workflows/shiv.yml'
const PART = '.gitlab/shiv.gitlab-ci.yml'
const SERVICE = 'name: orders\nlanguage: node\n'
const WORKSPACE = `name: shop
environments:
  staging: { context: staging-eu, registry: registry.example.com/shop }
  qa: { context: qa-eu }
  production: { context: production-eu, registry: registry.example.com/shop }
`

let root: string
beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'shiv-generate-')))
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

/** As it is installed: its code is a file of its own beside the CLI's. */
const shiv = (line: string, cwd = root): Promise<Ended> =>
  runCli(shivBin, line.split(' '), { cwd, env: { PATH: process.env['PATH'], SHIV_HOME: join(root, '.home'), LANG: 'C.UTF-8' } })
const git = (...words: string[]): Buffer => execFileSync('git', ['-C', root, ...words], { stdio: 'pipe' })
const read = (file: string): string => readFileSync(join(root, file), 'utf8')
const codeOf = ({ stderr }: Ended): string => /error\[(\w+)\]/.exec(stderr)?.[1] ?? stderr

function write(files: Record<string, string>): void {
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, file)), { recursive: true })
    writeFileSync(join(root, file), text)
  }
}

/** A repository on `main` with these files. */
function repository(files: Record<string, string>): void {
  git('init', '--quiet', '--initial-branch', 'main')
  write(files)
}

test('writes the workflow at the root, says what is to be set up, and knows it again', async () => {
  repository({ 'shiv.yaml': WORKSPACE, 'orders/service.yaml': SERVICE })
  const made = await shiv('generate ci github')
  expect(made.stderr).toBe('')
  expect(made.code).toBe(0)
  await expect(made.stdout).toMatchFileSnapshot('../golden/cli/generate.txt')
  expect(read(GITHUB)).toContain('name: deploy to staging')
  expect(lstatSync(join(root, GITHUB)).mode & 0o777).toBe(0o644)
  expect((await shiv('generate ci --check')).code, 'the platform is that of the file that is there').toBe(0)
  const again = await shiv('generate ci')
  expect(again.stdout).toContain('is as it would be made')
})

test('an untouched file is made anew when shiv.yaml changed; --check says so before with 4', async () => {
  repository({ 'shiv.yaml': 'name: shop\n', 'orders/service.yaml': SERVICE })
  expect((await shiv('generate ci github --check')).code, 'it is not there').toBe(4)
  await shiv('generate ci github')
  expect(read(GITHUB)).not.toContain('deploy to staging')
  write({ 'shiv.yaml': WORKSPACE })
  const checked = await shiv('generate ci --check')
  expect(checked).toMatchObject({ code: 4, stdout: '' })
  expect(checked.stderr).toContain('was made of another definition')
  expect((await shiv('generate ci')).stdout).toContain('written anew')
  expect(read(GITHUB)).toContain('deploy to staging')
  // As git may check it out elsewhere.
  write({ [GITHUB]: read(GITHUB).replaceAll('\n', '\r\n') })
  expect((await shiv('generate ci --check')).code).toBe(0)
})

test('a file that was changed by hand, or is not of shiv, is left alone without --force', async () => {
  repository({ 'service.yaml': SERVICE })
  await shiv('generate ci github')
  const changed = `${read(GITHUB)}# ours\n`
  for (const text of [changed, 'name: ours\n']) {
    write({ [GITHUB]: text })
    const refused = await shiv('generate ci github')
    expect([refused.code, codeOf(refused)]).toEqual([2, 'GENERATE_CHANGED'])
    expect(refused.stderr).toContain('shiv generate ci github --force')
    expect(read(GITHUB)).toBe(text)
    expect((await shiv('generate ci github --check')).code).toBe(4)
  }
  expect((await shiv('generate ci github --force')).code).toBe(0)
  expect((await shiv('generate ci github --check')).code).toBe(0)
})

test('--print writes nothing', async () => {
  repository({ 'service.yaml': SERVICE })
  const { stdout } = await shiv('generate ci gitlab --print')
  expect(stdout).toMatch(/^# Made by `shiv generate ci gitlab`/)
  expect(existsSync(join(root, '.gitlab-ci.yml'))).toBe(false)
  const json = JSON.parse((await shiv('generate ci gitlab --print --json')).stdout) as { text: string; file: string }
  expect(json).toMatchObject({ version: 1, platform: 'gitlab', file: '.gitlab-ci.yml', text: stdout })
  expect((await shiv('generate ci gitlab --print --check')).stderr).toContain('do not go together')
})

test('a workspace in a folder: the file is at the root, looks at the folder, and calls shiv there', async () => {
  repository({ 'services/shop/shiv.yaml': WORKSPACE, 'services/shop/orders/service.yaml': SERVICE })
  const { stdout } = await shiv('generate ci github --json', join(root, 'services/shop/orders'))
  const told = JSON.parse(stdout) as { settings: { name: string; environment?: string; how: string }[] }
  expect(told).toMatchObject({
    file: GITHUB,
    state: 'missing',
    notDeployedTo: [{ environment: 'qa', why: 'it names no registry' }],
    jobs: [{ job: 'check' }, { job: 'deploy' }, { job: 'release' }],
  })
  expect(told.settings.filter(({ environment }) => environment === 'production').map(({ name }) => name)).toEqual([
    'SHIV_KUBECONFIG',
    'SHIV_REGISTRY_USER',
    'SHIV_REGISTRY_PASSWORD',
    'deployment branches',
    'required reviewers',
  ])
  expect(read(GITHUB)).toContain('- services/shop/**\n')
  expect(read(GITHUB)).toContain('SHIV_FOLDER: services/shop\n')
  expect((await shiv('generate ci --check -C services/shop')).code).toBe(0)
})

test('a GitLab project with a pipeline of its own gets a part, and is told to include it', async () => {
  repository({ 'service.yaml': SERVICE, '.gitlab-ci.yml': 'lint:\n  script: [make lint]\n' })
  const made = await shiv('generate ci')
  expect(made.stdout).toContain(`- local: /${PART}`)
  expect(read('.gitlab-ci.yml')).toBe('lint:\n  script: [make lint]\n')
  expect(read(PART)).not.toContain('workflow:')
  write({ '.gitlab-ci.yml': `# include ${PART}\nlint:\n  script: [make lint]\n` })
  expect((await shiv('generate ci')).stdout, 'a comment includes nothing').toContain(`- local: /${PART}`)
  write({ '.gitlab-ci.yml': `include:\n  - local: /${PART}\n` })
  expect((await shiv('generate ci')).stdout).not.toContain('include')
})

test('the platform: what is there, then origin, else both are named', async () => {
  repository({ 'service.yaml': SERVICE })
  const unknown = await shiv('generate ci')
  expect([unknown.code, codeOf(unknown)]).toEqual([2, 'GENERATE_WHICH_PLATFORM'])
  expect(unknown.stderr).toContain('shiv generate ci github, or shiv generate ci gitlab')
  const platform = async (): Promise<string> => /ci (\w+)`/.exec((await shiv('generate ci --print')).stdout)?.[1] ?? ''
  git('remote', 'add', 'origin', 'git@gitlab.com:shop/shop.git')
  expect(await platform()).toBe('gitlab')
  git('remote', 'set-url', 'origin', 'https://user:secret@github.com/shop/gitlab.git')
  expect(await platform()).toBe('github')
  git('remote', 'set-url', 'origin', 'ssh://git@gitlab.example.com:2222/shop/shop.git')
  expect(await platform()).toBe('gitlab')
  write({ '.github/CODEOWNERS': '* @shop\n' })
  expect(await platform(), 'what is there comes first').toBe('github')
  git('remote', 'set-url', 'origin', 'https://git.example.com/github.com/shop.git')
  write({ '.gitlab-ci.yml': 'a: { script: [true] }\n' })
  expect(codeOf(await shiv('generate ci')), 'both are there, and origin is neither').toBe('GENERATE_WHICH_PLATFORM')
  expect(codeOf(await shiv('generate ci bitbucket'))).toBe('CLI_BAD_VALUE')
  expect(codeOf(await shiv('generate dashboards'))).toBe('CLI_UNKNOWN_COMMAND')
})

test('the branch is the head of origin, else main', async () => {
  repository({ 'service.yaml': SERVICE })
  const branch = async (): Promise<string> =>
    /branches:\n {6}- (\S+)/.exec((await shiv('generate ci github --print')).stdout)?.[1] ?? ''
  git('checkout', '--quiet', '-b', 'trunk')
  expect(await branch(), 'nothing is committed: the branch here is the only one').toBe('trunk')
  git('-c', 'user.name=test', '-c', 'user.email=test@example.com', 'commit', '--quiet', '--allow-empty', '--message', 'first')
  git('branch', 'main')
  expect(await branch()).toBe('main')
  git('update-ref', 'refs/remotes/origin/trunk', 'HEAD')
  git('symbolic-ref', 'refs/remotes/origin/HEAD', 'refs/remotes/origin/trunk')
  expect(await branch()).toBe('trunk')
})

test('a link that leads out of the repository is not followed', async () => {
  const elsewhere = realpathSync(mkdtempSync(join(tmpdir(), 'shiv-elsewhere-')))
  try {
    repository({ 'service.yaml': SERVICE })
    symlinkSync(elsewhere, join(root, '.github'))
    expect(codeOf(await shiv('generate ci github'))).toBe('GENERATE_OUTSIDE')
    expect(existsSync(join(elsewhere, 'workflows'))).toBe(false)
    rmSync(join(root, '.github'))
    writeFileSync(join(elsewhere, 'mine.yml'), 'name: mine\n')
    mkdirSync(join(root, '.github/workflows'), { recursive: true })
    symlinkSync(join(elsewhere, 'mine.yml'), join(root, GITHUB))
    expect(codeOf(await shiv('generate ci github'))).toBe('GENERATE_CHANGED')
    await shiv('generate ci github --force')
    expect(readFileSync(join(elsewhere, 'mine.yml'), 'utf8'), 'the link was replaced, not what it leads to').toBe('name: mine\n')
    expect(lstatSync(join(root, GITHUB)).isFile()).toBe(true)
  } finally {
    rmSync(elsewhere, { recursive: true, force: true })
  }
})

test('no repository; faults of shiv.yaml come out as always', async () => {
  write({ 'service.yaml': SERVICE })
  const none = await shiv('generate ci github')
  expect([none.code, codeOf(none)]).toEqual([2, 'GENERATE_NO_REPOSITORY'])
  repository({ 'shiv.yaml': 'name: shop\nenvironment: {}\nservices: [missing]\n' })
  const { code, stderr } = await shiv('generate ci github')
  expect(code).toBe(2)
  expect(stderr).toContain('did you mean "environments"?')
  expect(stderr).toContain('shiv.yaml:2:1')
  expect(stderr).toContain('missing')
})

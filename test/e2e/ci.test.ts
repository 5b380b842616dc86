import { execa } from 'execa'
import { existsSync, readFileSync, realpathSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Ajv } from 'ajv'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { CiReport } from '../../src/bench/ci/report.ts'
import type { HistoryEntry } from '../../src/bench/history.ts'
import { ciEntry } from '../../src/bench/ci/history.ts'
import { appendHistory, historyPath, readHistory } from '../../src/cli/bench/history-store.ts'
import type { StatusResult } from '../../src/wire/messages.ts'
import { openShiv, shivBin, tinyService, writeTree, type OwnShiv } from '../support/own-shiv.ts'

let own: OwnShiv
let tree: string

/** Asks the service by the address that it was given, and shows what else it knows. */
const TEST = `import test from 'node:test'
import assert from 'node:assert/strict'
test('answers', async () => {
  assert.equal((await fetch(process.env.SHIV_URL)).status, 200)
  assert.equal(process.env.HELLO_URL, process.env.SHIV_URL)
  assert.equal(process.env.GREETING, 'hi')
  assert.equal(process.env.NODE_ENV, undefined)
  assert.equal(process.env.PORT, undefined)
})
`

const NO_CI = Object.fromEntries(
  ['GITHUB_ACTIONS', 'GITLAB_CI', 'BUILDKITE', 'JENKINS_URL', 'GITHUB_STEP_SUMMARY', 'NODE_ENV', 'PORT'].map((name) => [
    name,
    undefined,
  ]),
)
const run = (words: string[], env: Record<string, string> = {}) =>
  execa(process.execPath, [shivBin, ...words], { cwd: tree, env: { ...NO_CI, CI: 'true', ...own.env, ...env }, reject: false })
const ci = (...words: string[]) => run(['ci', '--runtime', 'process', ...words])
const reportOf = async (): Promise<CiReport> =>
  JSON.parse(await readFile(join(tree, 'shiv-report', 'report.json'), 'utf8')) as CiReport
const git = (...words: string[]) => execa('git', ['-C', tree, '-c', 'user.name=t', '-c', 'user.email=t@example.com', ...words])
const runs = async (): Promise<StatusResult['runs']> =>
  (JSON.parse((await run(['status', '--json'])).stdout) as StatusResult).runs
const states = (report: CiReport): string[] => report.stages.map(({ name, state }) => `${name} ${state}`)

beforeEach(async () => {
  own = await openShiv('ci')
  tree = join(own.folder, 'hello')
  await writeTree(own.folder, {
    ...tinyService('hello', 'env: { GREETING: hi }\nreload: { test: [node, --test] }\n'),
    'hello/hello.test.js': TEST,
    'hello/.gitignore': 'shiv-report\n',
    'hello/shiv.yaml': 'name: hello\nenvironments: { staging: { context: nowhere, registry: registry.example.com/hello } }\n',
  })
})
afterEach(() => own.close())

async function commitAll(env: Record<string, string> = {}): Promise<void> {
  await execa('git', ['init', '-q', '-b', 'main', tree])
  await git('add', '-A')
  await execa('git', ['-C', tree, '-c', 'user.name=t', '-c', 'user.email=t@example.com', 'commit', '-qm', 'one'], { env })
}

describe('shiv ci, without Docker', () => {
  it('starts, asks for parity, tests, takes everything down, and leaves a report, in a GitHub job also its summary', async () => {
    await commitAll()
    const summary = join(own.folder, 'summary')
    const event = join(own.folder, 'event.json')
    const pushedAt = Math.floor(Date.now() / 1_000)
    await writeFile(event, JSON.stringify({ head_commit: {}, repository: { pushed_at: pushedAt } }))
    await writeFile(summary, 'before\n')
    const github = {
      GITHUB_ACTIONS: 'true',
      GITHUB_STEP_SUMMARY: summary,
      GITHUB_EVENT_PATH: event,
      GITHUB_ACTOR: 'ada',
      SHIV_CI_CHECKED_OUT_AT: String(Date.now()),
    }
    const ended = await run(
      ['ci', '--runtime', 'process', '--report', 'shiv-report', '--gate', 'ci.total=1h,ci.build=+20%'],
      github,
    )
    expect(ended.exitCode, ended.stdout + ended.stderr).toBe(0)
    expect(ended.stdout).toContain('::group::start')
    const report = await reportOf()
    const validate = new Ajv().compile(JSON.parse(readFileSync('docs/ci.schema.json', 'utf8')) as object)
    expect(validate(report), JSON.stringify(validate.errors)).toBe(true)
    expect(states(report)).toEqual(['start passed', 'parity passed', 'test passed', 'stop passed'])
    expect(report).toMatchObject({
      workspace: 'hello',
      runtime: 'process',
      pipeline: { name: 'GitHub Actions', user: 'ada' },
      source: { subject: 'one', branch: 'main', isDirty: false, isShallow: false },
      tests: [{ service: 'hello', passed: true, command: ['node', '--test'] }],
      gates: [
        { gate: 'ci.total=1h', state: 'passed' },
        { gate: 'ci.build=+20%', state: 'unproven' },
      ],
    })
    expect(report.timeline.instants.map(({ moment, clock }) => `${moment} ${clock}`)).toEqual([
      'committed committer',
      'queued GitHub Actions',
      'checked out machine',
      'begun machine',
      'up machine',
      'tested machine',
      'finished machine',
    ])
    expect(report.timeline.instants[1]!.at).toBe(pushedAt * 1_000)
    expect(report.timeline.unknown).toEqual([expect.stringContaining('SHIV_CI_STARTED_AT')])
    expect(report.parity!.score).toBeGreaterThan(0)
    expect(report.parity!.differences.map(({ id }) => id)).toContain('kubernetes')
    for (const name of ['summary.md', 'report.html', 'junit.xml', 'metrics.txt', 'trace.json'])
      expect(existsSync(join(tree, 'shiv-report', name)), name).toBe(true)
    expect(await readFile(summary, 'utf8')).toBe(`before\n${await readFile(join(tree, 'shiv-report', 'summary.md'), 'utf8')}`)
    expect(await runs()).toEqual([])
    expect((await git('status', '--porcelain')).stdout).toBe('')
    const { entries } = await readHistory(historyAt(report))
    expect(entries.map(({ series }) => series.map(({ measure }) => measure))).toEqual([
      ['ci.start', 'ci.build', 'ci.test', 'ci.total'],
    ])
  }, 120_000)

  it('ends at tests that fail, with what they wrote, and takes everything down all the same', async () => {
    await commitAll()
    await writeFile(join(tree, 'hello.test.js'), TEST.replace("'hi'", "'good day'"))
    const ended = await ci('--report', 'shiv-report', '--env', 'staging')
    expect(ended.exitCode).toBe(1)
    expect(ended.stderr).toContain('TESTS_FAILED')
    const report = await reportOf()
    expect(states(report)).toEqual(['start passed', 'parity passed', 'test failed', 'deploy skipped', 'stop passed'])
    expect(report.failure).toMatchObject({ code: 'TESTS_FAILED', stage: 'test' })
    expect(report.remarks).toContain('files differ from the commit')
    expect(report.tests[0]!.lines.join('\n')).toContain('good day')
    expect(await readFile(join(tree, 'shiv-report', 'summary.md'), 'utf8')).toContain('good day')
    expect(await runs()).toEqual([])
    expect((await readHistory(historyAt(report))).entries).toEqual([])
  }, 120_000)

  it('ends at a service that does not start, with the diagnosis of start', async () => {
    await writeFile(join(tree, 'server.js'), 'throw new Error("no such luck")\n')
    const ended = await ci('--report', 'shiv-report')
    expect(ended.exitCode).toBe(1)
    expect(ended.stderr).toContain('no such luck')
    const report = await reportOf()
    expect(states(report)).toEqual(['start failed', 'parity skipped', 'test skipped', 'stop passed'])
    expect(report.timeline.unknown).toEqual([expect.stringContaining('is in no git repository')])
    expect(await runs()).toEqual([])
  }, 120_000)

  it('fails a gate only on evidence of the runs of before, and then deploys nothing', async () => {
    await commitAll()
    expect((await ci('--report', 'shiv-report')).exitCode).toBe(0)
    const report = await reportOf()
    const fast = {
      ...ciEntry(report)!,
      series: [{ measure: 'ci.start', of: 'hello', samples: [{ ms: 1, at: 1, spans: [] }], ended: 'runs' }],
    }
    const entries = Array.from({ length: 60 }, (_, index): HistoryEntry => ({
      ...fast,
      id: `made/${index}`,
      at: index,
      side: { ...fast.side, commit: 'f'.repeat(40) },
    }))
    await appendHistory(historyAt(report), entries)
    const ended = await ci('--report', 'shiv-report', '--gate', 'ci.start=+50%', '--env', 'staging')
    expect(ended.exitCode, ended.stderr).toBe(4)
    expect(ended.stderr).toContain('CI_GATE')
    const second = await reportOf()
    expect(second.gates).toMatchObject([{ state: 'failed' }])
    expect(second.stages.at(-2)).toMatchObject({ name: 'deploy', of: 'hello', state: 'skipped', why: 'a gate failed' })
  }, 120_000)

  it('leaves alone what runs already, and knows what it cannot know of a shallow clone with a commit of the future', async () => {
    await commitAll({ GIT_COMMITTER_DATE: '2040-01-01T00:00:00Z' })
    await git('commit', '-q', '--allow-empty', '-m', 'two', '--date', '2020-01-01T00:00:00Z')
    await git('commit', '--amend', '-q', '--no-edit', '--allow-empty', '--date', '2020-01-01T00:00:00Z')
    const shallow = join(own.folder, 'shallow')
    await execa('git', ['clone', '-q', '--depth', '1', `file://${tree}`, shallow])
    await execa(
      'git',
      ['-C', shallow, '-c', 'user.name=t', '-c', 'user.email=t@example.com', 'commit', '-q', '--amend', '--no-edit'],
      {
        env: { GIT_COMMITTER_DATE: '2040-01-01T00:00:00Z' },
      },
    )
    tree = realpathSync(shallow)
    expect((await run(['start', '--runtime', 'process'])).exitCode).toBe(0)
    const refused = await ci('--report', 'shiv-report')
    expect({ code: refused.exitCode, err: refused.stderr }).toMatchObject({
      code: 2,
      err: expect.stringContaining('CI_RUNS_ALREADY'),
    })
    expect(await runs()).toHaveLength(1)
    expect(existsSync(join(tree, 'shiv-report', 'report.json'))).toBe(false)
    await run(['stop'])
    const ended = await ci('--report', 'shiv-report', '--no-test')
    expect(ended.exitCode, ended.stderr).toBe(0)
    const report = await reportOf()
    expect(report.source).toMatchObject({ isShallow: true, committedAt: Date.UTC(2040, 0, 1) })
    expect(report.timeline.skew).toEqual([
      expect.stringMatching(/^the committer's clock is at least \d+\.\d s ahead of this machine's/),
    ])
    expect(report.timeline.unknown).toEqual([
      expect.stringContaining('this clone is shallow (git fetch --unshallow)'),
      expect.stringContaining('how long ago the commit was made'),
    ])
    // What was there before it is there after it.
    expect(report.remarks).toContain('it started with the data of an earlier run, which was kept')
  }, 120_000)

  it('begins nothing where the workspace runs from another folder, and outside of a pipeline keeps the data that it made', async () => {
    const other = join(own.folder, 'other')
    await execa('cp', ['-r', tree, other])
    expect((await run(['start', '--runtime', 'process', '-C', other])).exitCode).toBe(0)
    const refused = await ci('--report', 'shiv-report')
    expect({ code: refused.exitCode, err: refused.stderr }).toMatchObject({
      code: 2,
      err: expect.stringContaining(`from ${realpathSync(other)}`),
    })
    await run(['stop', '--purge', '--yes', '-C', other])
    const ended = await run(['ci', '--runtime', 'process', '--report', 'shiv-report', '--no-test'], { CI: '' })
    expect(ended.exitCode, ended.stderr).toBe(0)
    expect((await runs()).map(({ state }) => state)).toEqual(['stopped'])
  }, 120_000)

  it('says of a gate that its bench was not taken, where the other commit has no such service; and deploys what was tested', async () => {
    await execa('git', ['init', '-q', '-b', 'main', tree])
    await git('commit', '-q', '--allow-empty', '-m', 'nothing yet')
    await git('add', '-A')
    await git('commit', '-qm', 'one')
    const ended = await ci('--report', 'shiv-report', '--no-test', '--against', 'HEAD~1', '--gate', 'loop.p50=+10%')
    expect(ended.exitCode, ended.stderr).toBe(0)
    const report = await reportOf()
    expect(report.gates).toEqual([
      { gate: 'loop.p50=+10%', name: 'loop.p50=+10%', state: 'unproven', why: expect.stringContaining('not compared: HEAD~1') },
    ])
    expect((await git('status', '--porcelain')).stdout).toBe('')
  }, 120_000)

  it('gives tests no credentials of the pipeline, and takes secrets out of what they write', async () => {
    await commitAll()
    await writeFile(join(tree, 'hello.test.js'), 'console.log(JSON.stringify(process.env)); process.exitCode = 1\n')
    const secrets = {
      CI_JOB_TOKEN: 'glcbt-1234567890',
      SHIV_REGISTRY_PASSWORD: 'hunter2-hunter2',
      STRIPE_API_KEY: 'sk_live_1234567890',
    }
    const ended = await run(['ci', '--runtime', 'process', '--report', 'shiv-report'], secrets)
    expect(ended.exitCode).toBe(1)
    const report = JSON.stringify(await reportOf())
    expect(report).toContain('STRIPE_API_KEY')
    for (const name of ['CI_JOB_TOKEN', 'SHIV_REGISTRY_PASSWORD']) expect(report).not.toContain(name)
    for (const value of Object.values(secrets)) expect(report + ended.stdout + ended.stderr).not.toContain(value)
  }, 120_000)

  it('takes down what it began when it is interrupted, reports, and ends with 130', async () => {
    await writeFile(join(tree, 'hello.test.js'), 'await new Promise((done) => setTimeout(done, 600_000))\n')
    const child = ci('--report', 'shiv-report')
    await until(() => child, 'test')
    child.kill('SIGINT')
    const ended = await child
    expect(ended.exitCode, ended.stderr).toBe(130)
    const report = await reportOf()
    expect(report.isInterrupted).toBe(true)
    expect(states(report)).toEqual(['start passed', 'parity passed', 'test failed', 'stop passed'])
    expect(await runs()).toEqual([])
  }, 120_000)

  it('takes down what a run that was killed left behind, and goes on', async () => {
    await writeFile(join(tree, 'hello.test.js'), 'await new Promise((done) => setTimeout(done, 600_000))\n')
    const child = ci('--report', 'shiv-report')
    await until(() => child, 'test')
    child.kill('SIGKILL')
    await child
    expect(await runs()).toHaveLength(1)
    await writeFile(join(tree, 'hello.test.js'), TEST)
    const ended = await ci('--report', 'shiv-report')
    expect(ended.exitCode, ended.stdout + ended.stderr).toBe(0)
    expect((await reportOf()).remarks).toEqual([])
    expect(await runs()).toEqual([])
  }, 120_000)

  it('says what a gate, or an order to do nothing, lacks, before anything is begun', async () => {
    const code = async (...words: string[]) => {
      const { exitCode, stderr } = await ci(...words)
      return `${exitCode} ${/error\[(\w+)\]/.exec(stderr)?.[1]}`
    }
    expect(await code('--gate', 'ci.sleep=1s')).toBe('2 BENCH_GATE')
    expect(await code('--gate', 'loop.p50=+10%')).toBe('2 BENCH_GATE')
    expect(await code('--bench', 'loop', '--gate', 'loop.p50=+10%')).toBe('2 BENCH_GATE')
    expect(await code('--no-start')).toBe('2 CLI_MISSING_ARGUMENT')
    expect(await code('--report', '/dev/null/report')).toBe('2 CI_REPORT_NOT_WRITTEN')
    expect((await run(['test'])).stderr).toContain('RUN_NOT_FOUND')
    await writeFile(join(tree, 'service.yaml'), 'name: hello\nlangauge: node\n')
    expect((await ci()).stderr).toContain('SPEC_UNKNOWN_FIELD')
  }, 60_000)
})

/** History of the test's own home. */
function historyAt(report: CiReport): string {
  return join(own.home, 'bench', 'history', historyPath(report.machine.class).split('/').at(-1)!)
}

/** Until the tests of the service have begun: their runner is a child of the daemon. */
async function until(child: () => ReturnType<typeof ci>, _stage: string): Promise<void> {
  for (;;) {
    const { stdout } = await execa('ps', ['-eo', 'args'])
    if (stdout.split('\n').some((line) => /^node --test$/.test(line))) return
    if (child().exitCode !== undefined && child().exitCode !== null) throw new Error('it ended before it tested')
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

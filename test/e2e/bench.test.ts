import { spawn } from 'node:child_process'
import { execa } from 'execa'
import { readdirSync, readFileSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Ajv } from 'ajv'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { entriesOf } from '../../src/bench/history.ts'
import type { BenchReport } from '../../src/bench/report.ts'
import { appendHistory } from '../../src/cli/bench/history-store.ts'
import { machineFacts } from '../../src/cli/bench/machine-facts.ts'
import { loopSeries, madeReport } from '../support/bench-report.ts'
import { noise } from '../support/noise.ts'
import { openShiv, shivBin, tinyService, writeTree, type OwnShiv } from '../support/own-shiv.ts'

let own: OwnShiv
let tree: string

const git = (...words: string[]) => execa('git', ['-C', tree, '-c', 'user.name=t', '-c', 'user.email=t@example.com', ...words])
const bench = (...words: string[]) =>
  execa(process.execPath, [shivBin, 'bench', ...words, '--runtime', 'process'], { cwd: tree, env: own.env, reject: false })
const reportOf = ({ stdout }: { stdout: unknown }): BenchReport => JSON.parse(String(stdout)) as BenchReport
const stages = (): string[] => readdirSync(join(own.home, 'bench', 'stages'))
/** Processes that run anything below the home of this test. */
const left = async (): Promise<string[]> =>
  (await execa('ps', ['-eo', 'pid,args'])).stdout.split('\n').filter((line) => line.includes(join(own.home, 'bench')))

beforeEach(async () => {
  own = await openShiv('bench')
  tree = join(own.folder, 'hello')
  await writeTree(own.folder, tinyService('hello'))
})
afterEach(() => own.close())

async function commitAll(): Promise<void> {
  await execa('git', ['init', '-q', '-b', 'main', tree])
  await git('add', '-A')
  await git('commit', '-qm', 'one')
}

describe('shiv bench, without Docker', () => {
  it('tells a planted slow start of the service from main, names the span, and ends with 4 at a gate', async () => {
    await commitAll()
    const file = join(tree, 'server.js')
    const slow = `${await readFile(file, 'utf8')}Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1500)\n`
    await writeFile(file, slow)
    const ended = await bench('loop', '--runs', '10', '--against', 'main', '--gate', 'loop.p50=+20%', '--json')
    expect(ended.exitCode, ended.stderr).toBe(4)
    const report = reportOf(ended)
    expect(report.sides).toMatchObject([{ name: 'here', isDirty: true, branch: 'main' }, { name: 'main' }])
    expect(report.sides[0]!.commit).toBe(report.sides[1]!.commit)
    const [comparison] = report.comparisons
    expect(comparison).toMatchObject({ measure: 'loop', of: 'hello', verdict: 'slower', isInterleaved: true })
    expect(comparison!.spans[0]!.name).toMatch(/^(restarted|ready|applied|served)$/)
    expect(comparison!.spans[0]!.deltaMs).toBeGreaterThan(1_000)
    expect(report.gates).toMatchObject([{ gate: 'loop.p50=+20%', state: 'failed' }])
    const validate = new Ajv().compile(JSON.parse(readFileSync('docs/bench.schema.json', 'utf8')) as object)
    expect(validate(report), JSON.stringify(validate.errors)).toBe(true)
    // Nothing of the user's was written, and nothing stays.
    expect(await readFile(file, 'utf8')).toBe(slow)
    expect((await git('status', '--porcelain')).stdout).toBe(' M server.js')
    expect(stages()).toEqual([])
    expect(await left()).toEqual([])

    const history = reportOf(await bench('history', '--json')) as unknown as { trends: { measure: string; points: object[] }[] }
    expect(history.trends).toMatchObject([{ measure: 'loop', points: [{ isDirty: true }] }])
  }, 180_000)

  it('measures starts and builds, and holds them against the last run', async () => {
    await commitAll()
    expect((await bench('start', '--runs', '1')).exitCode).toBe(0)
    const ended = await bench('all', '--runs', '1', '--against', 'last', '--json')
    expect(ended.exitCode, ended.stderr).toBe(0)
    const report = reportOf(ended)
    expect(report.series.map(({ measure }) => measure).sort()).toEqual(
      [
        'build.dependency',
        'build.file',
        'build.no-change',
        'build.scratch',
        'loop',
        'start.cold',
        'start.no-change',
        'start.warm',
      ].sort(),
    )
    const sample = (measure: string) => report.series.find((one) => one.measure === measure)!.samples[0]!
    expect(sample('start.cold').ms).toBeGreaterThan(sample('start.no-change').ms)
    expect(sample('start.cold').spans.map(({ name }) => name)).toContain('daemon')
    expect(sample('build.dependency').spans.map(({ name }) => name)).toContain('hello: npm ci')
    expect(sample('build.no-change').spans.map(({ name }) => name)).not.toContain('hello: npm ci')
    // One sample says nothing, and is not made to.
    expect(report.comparisons.map(({ verdict }) => verdict)).toEqual(['cannot tell', 'cannot tell', 'cannot tell'])
    expect(report.comparisons.every(({ isInterleaved }) => !isInterleaved)).toBe(true)
  }, 240_000)

  it('keeps what it has when it is interrupted, and ends with 130', async () => {
    const child = spawn(process.execPath, [shivBin, 'bench', 'loop', '--runtime', 'process', '--json', '--runs', '500'], {
      cwd: tree,
      env: { ...process.env, ...own.env },
    })
    let [stdout, stderr] = ['', '']
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    await until(() => stderr.includes('loop hello'))
    await until(() => loopsServed() >= 8)
    // One Ctrl-C is two signals where npx stands between: the terminal's, and npm's.
    child.kill('SIGINT')
    child.kill('SIGINT')
    const code = await new Promise((resolve) => child.once('close', resolve))
    expect(code, stderr).toBe(130)
    const report = JSON.parse(stdout) as BenchReport
    expect(report.isInterrupted).toBe(true)
    expect(report.series[0]!.samples.length).toBeGreaterThan(1)
    expect(report.series[0]!.ended).toBe('interrupted')
    // Outside of git there is a copy too, and no commit to name.
    expect(report.sides[0]!.commit).toBeUndefined()
    expect(report.remarks.join('\n')).toContain('in no git repository')
    expect(stages()).toEqual([])
    expect(await left()).toEqual([])
    expect((await bench('history')).stdout).toContain('loop hello')
  }, 120_000)

  it('killed with -9 leaves the tree as it was, and the next bench removes what it left', async () => {
    const before = await readFile(join(tree, 'server.js'), 'utf8')
    const child = spawn(process.execPath, [shivBin, 'bench', 'loop', '--runtime', 'process', '--runs', '500'], {
      cwd: tree,
      env: { ...process.env, ...own.env },
      stdio: 'ignore',
    })
    await until(() => loopsServed() >= 4)
    child.kill('SIGKILL')
    await new Promise((resolve) => child.once('close', resolve))
    expect(await readFile(join(tree, 'server.js'), 'utf8')).toBe(before)
    expect(stages()).toHaveLength(1)
    expect((await left()).length).toBeGreaterThan(0)
    expect((await bench('loop', '--runs', '1', '--no-history')).exitCode).toBe(0)
    expect(stages()).toEqual([])
    expect(await left()).toEqual([])
  }, 120_000)

  it.each([
    { words: ['loop', '--against', 'main'], code: 'BENCH_NOT_A_REPOSITORY' },
    { words: ['loop', '--gate', 'loop.p50=+10%'], code: 'BENCH_GATE' },
    { words: ['loop', '--gate', 'lop.p50=3s'], code: 'BENCH_GATE' },
    { words: ['loop', '--against', 'last'], code: 'BENCH_NO_HISTORY' },
    { words: ['loop', '--against', 'package.json'], code: 'BENCH_BASELINE' },
    { words: ['history'], code: 'BENCH_NO_HISTORY' },
  ])(
    '$words ends with 2 and $code',
    async ({ words, code }) => {
      const { exitCode, stderr } = await bench(...words, '--json')
      expect([exitCode, stderr]).toEqual([2, expect.stringContaining(`"code":"${code}"`)])
    },
    60_000,
  )

  it('history names the commit at which a measure stepped, and puts half a line aside', async () => {
    await commitAll()
    const before = (await git('rev-parse', 'HEAD')).stdout
    await git('commit', '-qm', 'parse the configuration at every request', '--allow-empty')
    const after = (await git('rev-parse', 'HEAD')).stdout
    const machine = await machineFacts(undefined)
    const levels = [...noise(1, 10, 0.02), ...noise(2, 10, 0.02, 130)]
    const entries = levels.flatMap((ms, index) =>
      entriesOf(
        madeReport({
          id: `run-${index}`,
          workspace: 'hello',
          machine,
          series: [loopSeries('here', [ms, ms * 1.01], 'hello')],
          sides: [{ name: 'here', commit: index < 10 ? before : after, measuredAt: 1.7e12 + index }],
        }),
      ),
    )
    const path = join(own.home, 'bench', 'history', `${machine.class}.jsonl`)
    await appendHistory(path, entries)
    await writeFile(path, `${await readFile(path, 'utf8')}{"version":1,"id":"torn`)
    const { stdout, stderr, exitCode } = await bench('history', '--html', 'trend.html')
    expect(exitCode, stderr).toBe(0)
    expect(stdout).toMatch(
      new RegExp(`loop hello stepped \\+\\d+ % \\(.*\\) at ${after.slice(0, 7)}\\w* parse the configuration at every request`),
    )
    expect(stderr).toContain('1 damaged line of history was put aside in')
    expect(await readFile(join(tree, 'trend.html'), 'utf8')).toContain('<svg')
  }, 60_000)

  it('says that a commit without the service is no side', async () => {
    await writeTree(own.folder, {
      'hello/shiv.yaml': 'name: shop\n',
      'hello/other/service.yaml': 'name: other\nlanguage: node\n',
    })
    await execa('rm', [join(tree, 'service.yaml')])
    await commitAll()
    await writeTree(tree, { 'late/service.yaml': 'name: late\nlanguage: node\n' })
    const { exitCode, stderr } = await bench('loop', 'late', '--against', 'main', '--json')
    expect(exitCode).toBe(2)
    expect(JSON.parse(stderr.trim().split('\n').at(-1)!)).toMatchObject({
      error: { code: 'BENCH_SIDE', message: expect.stringContaining('main (') },
    })
    expect(stages()).toEqual([])
  }, 60_000)

  it('says which files of the user are wrong, not of its copy', async () => {
    await writeFile(join(tree, 'service.yaml'), 'name: hello\nlanguage: node\nscalin: {}\n')
    const { exitCode, stderr } = await bench('loop')
    expect(exitCode).toBe(2)
    expect(stderr).toContain('did you mean')
    expect(stderr).not.toContain(join('bench', 'stages'))
  }, 60_000)
})

/** Loops that the daemon of the stage has served so far. */
function loopsServed(): number {
  try {
    const [stage] = stages()
    const runs = join(own.home, 'bench', 'stages', stage!, 'side-here', 'home', 'runs')
    const [run] = readdirSync(runs)
    return readFileSync(join(runs, run!, 'loops.jsonl'), 'utf8').split('"served"').length - 1
  } catch {
    return 0 // not begun yet
  }
}

async function until(isSo: () => boolean): Promise<void> {
  const deadline = performance.now() + 90_000
  while (!isSo()) {
    if (performance.now() > deadline) throw new Error('it never came')
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

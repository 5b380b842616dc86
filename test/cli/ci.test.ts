import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { clockOffset } from '../../src/cli/ci/facts.ts'
import { forgetLeftovers, leftoverOf, markBegun } from '../../src/cli/ci/leftover.ts'
import { logMarks } from '../../src/cli/ci/log-marks.ts'
import { Stages } from '../../src/cli/ci/stages.ts'
import { ShivError } from '../../src/core/errors.ts'
import { pipelineOf, type Pipeline } from '../../src/core/pipeline.ts'

describe('where it runs', () => {
  it.each<[string, NodeJS.ProcessEnv, Partial<Pipeline> | undefined]>([
    ['a plain shell', { CI: 'true' }, undefined],
    [
      'GitHub, of a pull request',
      {
        GITHUB_ACTIONS: 'true',
        GITHUB_SERVER_URL: 'https://github.com',
        GITHUB_REPOSITORY: 'shop/shop',
        GITHUB_RUN_ID: '7',
        GITHUB_ACTOR: 'ada',
        GITHUB_REF: 'refs/pull/12/merge',
        GITHUB_REF_NAME: '12/merge',
        GITHUB_HEAD_REF: 'tea',
        GITHUB_SHA: 'a'.repeat(40),
        SHIV_CI_STARTED_AT: '1764331200000',
      },
      {
        name: 'GitHub Actions',
        url: 'https://github.com/shop/shop/actions/runs/7',
        user: 'ada',
        ref: 'tea',
        change: '12',
        commit: 'a'.repeat(40),
        server: 'https://github.com',
        times: { started: 1_764_331_200_000 },
      },
    ],
    [
      'GitLab, which tells its times, of which a step may know better',
      {
        GITLAB_CI: 'true',
        CI_JOB_URL: 'https://gitlab.example.com/shop/-/jobs/7',
        GITLAB_USER_LOGIN: 'ada',
        CI_COMMIT_REF_NAME: 'main',
        CI_PIPELINE_CREATED_AT: '2026-11-28T12:00:00Z',
        CI_JOB_STARTED_AT: '2026-11-28T13:00:05+01:00',
        SHIV_CI_QUEUED_AT: '2026-11-28T11:59:59Z',
        CI_SERVER_URL: 'https://gitlab.example.com',
      },
      {
        name: 'GitLab',
        ref: 'main',
        times: { queued: Date.UTC(2026, 10, 28, 11, 59, 59), started: Date.UTC(2026, 10, 28, 12, 0, 5) },
      },
    ],
    [
      'Buildkite, begun by hand',
      { BUILDKITE: 'true', BUILDKITE_COMMIT: 'HEAD', BUILDKITE_PULL_REQUEST: 'false', BUILDKITE_BRANCH: 'main' },
      { name: 'Buildkite', ref: 'main', times: {} },
    ],
    [
      'Jenkins',
      { JENKINS_URL: 'https://ci.example.com/', GIT_COMMIT: 'b'.repeat(40), CHANGE_ID: '9' },
      { name: 'Jenkins', change: '9' },
    ],
    [
      'times that are none',
      { JENKINS_URL: 'https://ci.example.com/', SHIV_CI_QUEUED_AT: 'soon' },
      { name: 'Jenkins', times: {} },
    ],
  ])('%s', (_where, environment, expected) => {
    const found = pipelineOf(environment)
    if (expected === undefined) expect(found).toBeUndefined()
    else expect(found).toMatchObject(expected)
    if (expected?.name === 'Buildkite') expect(Object.keys(found!).sort()).toEqual(['name', 'ref', 'times'].sort())
  })
})

describe('the clock of the CI server', () => {
  let close = async (): Promise<void> => {}
  afterEach(() => close())

  async function serve(date: string | undefined): Promise<Pipeline> {
    const server = createServer((_request, response) => {
      response.sendDate = false
      if (date !== undefined) response.setHeader('date', date)
      response.end()
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    close = () => new Promise((resolve) => server.close(() => resolve()))
    return { name: 'GitLab', server: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, times: {} }
  }

  it('is bounded by one answer: the truth lies within the round trip and the second of a Date', async () => {
    const ahead = 3_600_000
    const [offset] = await clockOffset(await serve(new Date(Date.now() + ahead).toUTCString()))
    expect(offset!.low).toBeLessThanOrEqual(ahead)
    expect(offset!.high).toBeGreaterThanOrEqual(ahead - 1)
    expect(offset!.low).toBeGreaterThan(ahead - 60_000)
  })

  it.each([
    ['has no Date', undefined],
    ['has one that is none', 'yesterday'],
  ])('is not known of an answer that %s', async (_what, date) => {
    expect(await clockOffset(await serve(date))).toEqual([])
  })

  it('is not known of a server that is not there, or is no address', async () => {
    expect(await clockOffset({ name: 'GitLab', server: 'http://127.0.0.1:1', times: {} })).toEqual([])
    expect(await clockOffset({ name: 'GitLab', server: 'file:///etc/passwd', times: {} })).toEqual([])
    expect(await clockOffset(undefined)).toEqual([])
  })
})

describe('marks in the log', () => {
  it('fold in the language of the CI, and let no message be a command of it', () => {
    const github = logMarks('GitHub Actions', Date.now, 'a-token')
    expect(github.begin('deploy orders')).toBe('::group::deploy orders\n::stop-commands::a-token\n')
    expect(github.end('deploy orders')).toBe('::a-token::\n::endgroup::\n')
    // What a run prints cannot name its token.
    expect(logMarks('GitHub Actions').end('a')).not.toBe(logMarks('GitHub Actions').end('a'))
    expect(github.failure('100 %\n::set-env name=x::y')).not.toContain('\n::set-env')
    expect(logMarks('GitLab', () => 7_000).begin('deploy orders')).toBe(
      '\u001B[0Ksection_start:7:deploy_orders\r\u001B[0Kdeploy orders\n',
    )
    expect(logMarks(undefined).begin('start')).toBe('')
  })
})

describe('what a killed run left', () => {
  it('is nothing any more once somebody started something there by hand', async () => {
    const home = await mkdtemp(join(tmpdir(), 'shiv-leftover-'))
    vi.stubEnv('SHIV_HOME', home)
    try {
      await markBegun(home, false)
      const [file] = await readdir(join(home, 'ci'))
      const path = join(home, 'ci', file!)
      const mark = JSON.parse(await readFile(path, 'utf8')) as { owner: { startedAt?: unknown } }
      await writeFile(path, JSON.stringify({ ...mark, owner: { ...mark.owner, pid: 2 ** 22 + 1 } }))
      expect(await leftoverOf(home)).toEqual({ keepsData: false })
      await mkdir(join(home, 'orders'))
      await forgetLeftovers(join(home, 'orders'))
      expect(await leftoverOf(home)).toBeUndefined()
    } finally {
      vi.unstubAllEnvs()
      await rm(home, { recursive: true, force: true })
    }
  })
})

describe('stages', () => {
  const open = (signal = new AbortController().signal): Stages =>
    new Stages({ began: performance.now(), marks: logMarks(undefined), write: () => {}, signal })

  it('end at the first failure, but for what has to be taken down, and keep what was thrown', async () => {
    const stages = open()
    const error = new ShivError('It does not.', { code: 'POD_CRASHED' })
    expect(await stages.run('start', {}, async () => 'up')).toBe('up')
    await stages.run('test', {}, () => Promise.reject(error))
    await stages.run('stop', { isTakingDown: true }, () => Promise.reject(new Error('either')))
    await stages.run('deploy', { of: 'orders' }, () => Promise.reject(new Error('never called')))
    expect(stages.list.map(({ name, state, why }) => [name, state, why])).toEqual([
      ['start', 'passed', undefined],
      ['test', 'failed', 'POD_CRASHED: It does not.'],
      ['stop', 'failed', 'INTERNAL: either'],
      ['deploy', 'skipped', 'test failed'],
    ])
    expect(stages.error).toBe(error)
    expect(stages.failure).toMatchObject({ code: 'POD_CRASHED', stage: 'test' })
  })

  it('skip what is left after an interruption', async () => {
    const stages = open(AbortSignal.abort())
    await stages.run('start', {}, () => Promise.reject(new Error('never called')))
    expect(stages.list).toMatchObject([{ state: 'skipped', why: 'interrupted' }])
  })
})

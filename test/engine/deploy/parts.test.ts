import { describe, expect, it } from 'vitest'
import { authorOf } from '../../../src/engine/deploy/author.ts'
import { maskChanges } from '../../../src/engine/deploy/mask.ts'
import { mergeByTime } from '../../../src/engine/deploy/merge.ts'
import { type Outcome, type Release, releaseBefore, servingRelease } from '../../../src/engine/deploy/release.ts'
import type { LogLine } from '../../../src/engine/ports.ts'

const release = (revision: number, outcome: Outcome, more: Partial<Release> = {}): Release => ({
  version: 1,
  revision,
  kind: 'deploy',
  service: 'orders',
  workspace: 'shop',
  environment: 'staging',
  context: 'c',
  namespace: 'shop',
  strategy: 'rolling',
  outcome,
  image: { reference: `r@sha256:${revision}`, digest: `sha256:${revision}`, isBuilt: true, isPushed: true },
  unknown: [],
  by: { user: 'ada', host: 'h' },
  startedAt: revision,
  spans: [],
  changes: [],
  ...more,
})

describe('which release serves', () => {
  it('is the newest that succeeded, or what a failed one went back to', () => {
    expect(servingRelease([])).toBeUndefined()
    expect(servingRelease([release(1, 'failed')])).toBeUndefined()
    const history = [
      release(1, 'succeeded'),
      release(2, 'succeeded'),
      release(3, 'rolled-back', { rolledBackTo: 2 }),
      release(4, 'abandoned'),
    ]
    expect(servingRelease(history)?.revision).toBe(2)
  })

  it('and what a rollback brings back is another that succeeded before', () => {
    const history = [release(1, 'succeeded'), release(2, 'failed'), release(3, 'succeeded')]
    expect(releaseBefore(history)?.revision).toBe(1)
    const back = [...history, release(4, 'succeeded', { kind: 'rollback', restores: 1 })]
    expect(releaseBefore(back)?.revision).toBe(3)
    expect(releaseBefore([release(1, 'succeeded'), release(2, 'succeeded', { kind: 'rollback', restores: 1 })])).toBeUndefined()
    for (const outcome of ['interrupted', 'failed', 'abandoned', 'running'] as const) {
      const halfWay = [release(1, 'succeeded'), release(2, 'succeeded'), release(3, outcome)]
      expect(releaseBefore(halfWay)?.revision, `after one that is ${outcome}`).toBe(2)
    }
  })
})

it('masks what looks secret in changes, and leaves names of Secrets', () => {
  const env = '/spec/template/spec/containers/orders/env'
  const [change] = maskChanges([
    {
      name: 'Deployment/orders',
      action: 'change',
      fields: [
        { path: `${env}/DB_PASSWORD/value`, from: 'old', to: 'new' },
        { path: `${env}/API_TOKEN`, to: { value: 'abc', valueFrom: { secretKeyRef: { name: 'orders-stripe', key: 'token' } } } },
        { path: `${env}/DSN_HOST/value`, from: 'postgres://ada:geheim@db/x', to: 'db' },
        { path: `${env}/GREETING/value`, from: 'hello', to: 'good day' },
      ],
    },
  ])
  const text = JSON.stringify(change)
  for (const secret of ['old', 'new', 'abc', 'geheim']) expect(text).not.toContain(`"${secret}"`)
  expect(text).not.toContain('geheim')
  expect(text).toContain('orders-stripe')
  expect(change!.fields[3]).toMatchObject({ from: 'hello', to: 'good day' })
})

describe('the author', () => {
  it('is the person who caused a pipeline, with where its log is', () => {
    const environment = {
      GITHUB_ACTIONS: 'true',
      GITHUB_ACTOR: 'grace',
      USER: 'runner',
      GITHUB_SERVER_URL: 'https://github.com',
      GITHUB_REPOSITORY: 'a/b',
      GITHUB_RUN_ID: '7',
    }
    expect(authorOf(environment)).toMatchObject({
      user: 'grace',
      pipeline: { name: 'GitHub Actions', url: 'https://github.com/a/b/actions/runs/7' },
    })
    expect(authorOf({ USER: 'ada' })).toMatchObject({ user: 'ada' })
    expect(authorOf({ USER: 'ada' }).pipeline).toBeUndefined()
  })
})

describe('log lines of several pods', () => {
  const line = (time: number, replica: string): LogLine => ({
    time,
    source: 'orders',
    replica,
    stream: 'stdout',
    text: String(time),
  })

  it('come by time, also when one pod is heard later than the other', async () => {
    async function* lines() {
      yield line(1, 'a')
      yield line(4, 'a')
      yield line(2, 'b')
      yield line(3, 'b')
    }
    const times: number[] = []
    for await (const { time } of mergeByTime(lines(), 30)) times.push(time)
    expect(times).toEqual([1, 2, 3, 4])
  })

  it('are passed on while the source is silent', async () => {
    let release = (): void => {}
    async function* lines() {
      yield line(1, 'a')
      await new Promise<void>((resolve) => (release = resolve))
    }
    const merged = mergeByTime(lines(), 20)
    expect((await merged.next()).value).toMatchObject({ time: 1 })
    const end = merged.next()
    await expect.poll(() => (release(), true)).toBe(true)
    expect((await end).done).toBe(true)
  })
})

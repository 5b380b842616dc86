import type { CiReport, Stage } from '../../src/bench/ci/report.ts'
import { timelineOf, type Instant } from '../../src/bench/ci/timeline.ts'
import { machineClass } from '../../src/bench/machine.ts'
import { COMMITS, facts } from './bench-report.ts'

const T = Date.UTC(2026, 10, 28, 12)
const HOSTILE = '<script>alert(1)</script> | @team `x` **b**'

const instant = (moment: Instant['moment'], seconds: number, clock = 'machine'): Instant => ({
  moment,
  at: T + seconds * 1_000,
  clock,
})
const stage = (name: Stage['name'], startMs: number, ms: number, more: Partial<Stage> = {}): Stage => ({
  name,
  state: 'passed',
  startMs,
  ms,
  spans: [],
  ...more,
})

/** A run in which everything went well. */
export function madeCiReport(): CiReport {
  return {
    version: 1,
    kind: 'ci',
    id: 'one',
    startedAt: T + 20_000,
    durationMs: 98_765.4321,
    shiv: '0.1.0',
    workspace: 'shop',
    services: ['orders'],
    runtime: 'kind',
    machine: { ...facts, class: machineClass(facts) },
    pipeline: { name: 'GitLab', url: 'https://gitlab.example.com/shop/-/jobs/7', user: 'ada' },
    source: {
      commit: COMMITS.here,
      subject: 'Take orders of nothing for what they are',
      authoredAt: T - 60_000,
      committedAt: T,
      branch: 'main',
      isDirty: false,
      isShallow: false,
    },
    timeline: timelineOf([
      instant('committed', 0, 'committer'),
      instant('queued', 4, 'GitLab'),
      instant('started', 9, 'GitLab'),
      instant('checked out', 14),
      instant('begun', 20),
      instant('up', 61),
      instant('tested', 64),
      instant('deploying', 66),
      instant('built', 67.5),
      instant('pushed', 69),
      instant('applied', 70),
      instant('healthy', 78),
      instant('answered', 78.5),
      instant('finished', 118.8),
    ]),
    stages: [
      stage('start', 10, 41_000.5, {
        spans: [
          { name: 'daemon', startMs: 0, ms: 300 },
          { name: 'image orders', startMs: 400, ms: 21_000 },
          { name: 'image orders › RUN npm ci', startMs: 900, ms: 15_000 },
          { name: 'services', startMs: 30_000, ms: 10_000 },
        ],
      }),
      stage('parity', 41_010, 212.5, { why: '87 % of production' }),
      stage('test', 41_300, 2_345.678),
      stage('stop', 43_700, 1_500),
      stage('deploy', 46_000, 12_500, { of: 'orders', why: 'release 7' }),
    ],
    tests: [{ service: 'orders', passed: true, ms: 2_345.678, command: ['npm', 'test'], lines: [] }],
    deployments: [
      {
        service: 'orders',
        environment: 'staging',
        revision: 7,
        isChanged: true,
        digest: `sha256:${'c'.repeat(64)}`,
        ms: 12_400,
        url: 'https://orders.staging.example.com/healthz',
      },
    ],
    parity: {
      score: 87.3,
      differences: [
        {
          id: 'database.orders-db',
          title: 'database orders-db',
          production: 'managed',
          local: 'in the cluster',
          why: 'production has a managed one',
        },
      ],
    },
    gates: [{ gate: 'ci.total=10m', name: 'ci.total', state: 'passed', why: '98.8 s' }],
    remarks: [],
    isInterrupted: false,
  }
}

/** One whose tests failed, of a commit of the future, with names that would like to be markup. */
export function failedCiReport(): CiReport {
  const made = madeCiReport()
  const { deployments: _none, parity: _either, ...rest } = made
  const why = `TESTS_FAILED: The tests of orders failed.`
  return {
    ...rest,
    source: { ...made.source!, subject: HOSTILE, isDirty: true },
    deployments: [],
    timeline: timelineOf(
      [
        instant('committed', 300, 'committer'),
        instant('queued', 4, 'GitLab'),
        instant('begun', 20),
        instant('up', 61),
        instant('finished', 66),
      ],
      [{ clock: 'GitLab', low: 4_000, high: 5_100 }],
    ),
    stages: [
      made.stages[0]!,
      made.stages[1]!,
      { ...made.stages[2]!, state: 'failed', why },
      made.stages[3]!,
      stage('bench', 45_200, 0, { state: 'skipped', why: 'test failed' }),
      stage('deploy', 45_200, 0, { state: 'skipped', of: 'orders', why: 'test failed' }),
    ],
    tests: [
      {
        service: 'orders',
        passed: false,
        ms: 2_345.678,
        command: ['npm', 'test'],
        lines: ['not ok 1 - an order is kept', '```', HOSTILE],
      },
    ],
    failure: { code: 'TESTS_FAILED', message: 'The tests of orders failed.', exit: 1, hint: 'shiv test orders', stage: 'test' },
    gates: [{ gate: 'ci.start=10s', name: 'ci.start', state: 'failed', why: '41.0 s' }],
    remarks: ['files differ from the commit'],
  }
}

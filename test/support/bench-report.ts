import { compare, pairsOf } from '../../src/bench/compare.ts'
import { judgeGate, parseGate } from '../../src/bench/gates.ts'
import type { MachineFacts } from '../../src/bench/machine.ts'
import { machineClass } from '../../src/bench/machine.ts'
import { withSummaries, weatherRemarks, type BenchReport } from '../../src/bench/report.ts'
import type { Series } from '../../src/bench/samples.ts'
import { noise } from './noise.ts'

export const facts: MachineFacts = {
  platform: 'linux',
  arch: 'x64',
  cpu: 'AMD EPYC',
  cores: 2,
  memoryBytes: 25_769_803_776,
  kernel: '6.18.44',
  node: '20.20.2',
  load: 0.4,
}

export const COMMITS = { here: 'a'.repeat(40), main: 'b'.repeat(40) }

/** A series of a loop: what is above 60 ms of each sample is its restart. */
export function loopSeries(side: string, values: number[], of = 'orders'): Series {
  return {
    measure: 'loop',
    of,
    side,
    warmUps: 3,
    ended: 'tight',
    samples: values.map((ms, index) => ({
      ms,
      at: 1.7e12 + index * 1_000,
      spans: [
        { name: 'seen', startMs: 0, ms: 20 },
        { name: 'sent', startMs: 20, ms: 40 },
        { name: 'restarted', startMs: 60, ms: ms - 60 },
      ],
    })),
  }
}

/** A made report: a loop that is 12 % slower than main's, one outlier, a gate that fails, and names that no format may take for its own. */
export function madeReport(change: Partial<BenchReport> = {}): BenchReport {
  const values = [...noise(1, 60, 0.06, 112), 290]
  const series = [
    loopSeries('here', values),
    loopSeries('main', [...noise(2, 61, 0.06, 100)]),
    loopSeries('here', noise(3, 80, 0.03), '<b>"&\\|`'),
    loopSeries('main', noise(4, 80, 0.03), '<b>"&\\|`'),
  ]
  const comparisons = compare(pairsOf(series, { side: 'here', base: 'main' }, true))
  const summarised = withSummaries(series)
  return {
    version: 1,
    kind: 'bench',
    id: 'made-1',
    startedAt: 1.7e12,
    durationMs: 61_234.5678,
    shiv: '0.1.0',
    workspace: 'shop',
    services: ['orders', '<b>"&\\|`'],
    runtime: 'process',
    machine: { ...facts, class: machineClass(facts) },
    sides: [
      { name: 'here', commit: COMMITS.here, branch: 'faster', isDirty: true, measuredAt: 1.7e12 + 1 },
      { name: 'main', commit: COMMITS.main, measuredAt: 1.7e12 + 2 },
    ],
    series: summarised,
    comparisons,
    gates: [
      ...judgeGate(parseGate('loop.p50=+5%', ['loop']), series, comparisons),
      ...judgeGate(parseGate('loop.p95=10s', ['loop']), series.slice(0, 1), comparisons),
    ],
    advice: [
      {
        id: 'context-size',
        service: 'orders',
        finding: 'the build context is 312 MB',
        evidence: ['.git: 300 MB'],
        remedy: 'what the image does not need goes into .dockerignore: .git',
      },
    ],
    remarks: weatherRemarks(summarised),
    harness: { sampleMs: 0.0123, roundTripMs: 1.9 },
    isInterrupted: false,
    ...change,
  }
}

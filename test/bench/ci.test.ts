import { Ajv } from 'ajv'
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { buildTime, stageFigures } from '../../src/bench/ci/figures.ts'
import { judgeCiGate, parseCiGate, valuesBefore } from '../../src/bench/ci/gates.ts'
import { ciEntry } from '../../src/bench/ci/history.ts'
import { timelineOf, type Instant } from '../../src/bench/ci/timeline.ts'
import { historyLine, parseHistory } from '../../src/bench/history.ts'
import { mulberry32 } from '../../src/bench/random.ts'
import { renderCiHtml } from '../../src/bench/report/ci-html.ts'
import { renderCiJUnit } from '../../src/bench/report/ci-junit.ts'
import { renderCiMarkdown } from '../../src/bench/report/ci-markdown.ts'
import { renderCiMetrics } from '../../src/bench/report/ci-metrics.ts'
import { renderCi } from '../../src/bench/report/ci-table.ts'
import { ciTrace } from '../../src/bench/report/ci-trace.ts'
import { createStyle } from '../../src/core/style.ts'
import { failedCiReport, madeCiReport } from '../support/ci-report.ts'

const T = Date.UTC(2026, 10, 28, 12)
const at = (moment: Instant['moment'], seconds: number, clock = 'machine'): Instant => ({
  moment,
  at: T + seconds * 1_000,
  clock,
})

describe('the way of a change', () => {
  it('is the moments in order, the time between each two, and the lead from commit to answer', () => {
    const timeline = timelineOf([
      at('answered', 90),
      at('committed', 0, 'committer'),
      at('queued', 5, 'GitLab'),
      at('started', 12, 'GitLab'),
      at('begun', 20),
    ])
    expect(timeline.legs.map(({ from, to, ms, isOneClock }) => [from, to, ms, isOneClock])).toEqual([
      ['committed', 'queued', 5_000, false],
      ['queued', 'started', 7_000, true],
      ['started', 'begun', 8_000, false],
      ['begun', 'answered', 70_000, true],
    ])
    expect(timeline).toMatchObject({ leadMs: 90_000, skew: [], unknown: [] })
  })

  it('names a commit of the future, and says no lead then', () => {
    const timeline = timelineOf([
      at('committed', 40, 'committer'),
      at('queued', 5, 'GitLab'),
      at('begun', 20),
      at('answered', 90),
    ])
    expect(timeline.leadMs).toBeUndefined()
    expect(timeline.skew).toEqual([
      "the committer's clock is at least 35.0 s ahead of GitLab's: it says 2026-11-28T12:00:40.000Z for committed, before queued at 2026-11-28T12:00:05.000Z",
      "the committer's clock is at least 20.0 s ahead of this machine's: it says 2026-11-28T12:00:40.000Z for committed, before begun at 2026-11-28T12:00:20.000Z",
    ])
    expect(timeline.unknown).toHaveLength(1)
    // What the clocks told is kept as they told it.
    expect(timeline.legs[0]).toMatchObject({ from: 'committed', to: 'queued', ms: -35_000 })
  })

  it('names a server whose clock is proved to be off, and not one that may be right', () => {
    expect(timelineOf([], [{ clock: 'GitLab', low: -200, high: 900 }]).skew).toEqual([])
    expect(timelineOf([], [{ clock: 'GitLab', low: 30_000, high: 31_200 }]).skew).toEqual([
      "GitLab's clock is 30.0 s to 31.2 s ahead of this machine's",
    ])
    expect(timelineOf([], [{ clock: 'GitLab', low: -5_200, high: -4_000 }]).skew).toEqual([
      "GitLab's clock is 4.0 s to 5.2 s behind this machine's",
    ])
  })
})

describe('gates on the figures of a run', () => {
  const gate = (text: string) => parseCiGate(text)!

  it('are read, or refused with what there is', () => {
    expect(gate('ci.total=10m')).toMatchObject({ measure: 'ci.total', limit: { kind: 'time', mostMs: 600_000 } })
    expect(gate('ci.build=+20%')).toMatchObject({ limit: { kind: 'ratio', most: 1.2 } })
    expect(parseCiGate('loop.p50=+10%')).toBeUndefined()
    for (const text of ['ci.build', 'ci.nothing=1s', 'ci.build=20', 'ci.build=+x%', 'ci.build=-5%'])
      expect(() => gate(text), text).toThrow(
        expect.objectContaining({ code: 'BENCH_GATE', hint: expect.stringContaining('ci.lead') }),
      )
  })

  it('pass or fail a time, and prove nothing of what was not measured', () => {
    expect(judgeCiGate(gate('ci.total=10s'), 9_999, []).state).toBe('passed')
    expect(judgeCiGate(gate('ci.total=10s'), 10_001, []).state).toBe('failed')
    expect(judgeCiGate(gate('ci.total=10s'), undefined, []).state).toBe('unproven')
  })

  it('fail a percentage only on evidence: fewer than 19 runs of before prove nothing', () => {
    const before = (count: number): number[] => Array.from({ length: count }, (_, index) => 1_000 + index)
    expect(judgeCiGate(gate('ci.build=+10%'), 2_000, before(18))).toMatchObject({
      state: 'unproven',
      why: expect.stringContaining('fewer than 19'),
    })
    expect(judgeCiGate(gate('ci.build=+10%'), 2_000, before(19))).toMatchObject({
      state: 'failed',
      why: expect.stringContaining('p = 0.05'),
    })
    expect(judgeCiGate(gate('ci.build=+10%'), 1_050, before(19)).state).toBe('passed')
    // Two of 19 runs took as long: that happens.
    expect(judgeCiGate(gate('ci.build=+10%'), 2_000, [...before(17), 3_000, 3_000]).state).toBe('unproven')
    expect(judgeCiGate(gate('ci.build=+10%'), 2_000, []).state).toBe('unproven')
    // Of nothing there is no part.
    expect(
      judgeCiGate(
        gate('ci.build=+10%'),
        2_000,
        Array.from({ length: 40 }, () => 0),
      ).state,
    ).toBe('unproven')
    expect(
      judgeCiGate(
        gate('ci.build=+10%'),
        0,
        Array.from({ length: 40 }, () => 0),
      ).why,
    ).not.toContain('NaN')
  })

  it('raise at most 5 false alarms of 100 where nothing changed, however noisy the machine', () => {
    for (const spread of [0.02, 0.2, 1]) {
      const random = mulberry32(7)
      const one = (): number => 1_000 * Math.exp(spread * (random() + random() + random() - 1.5))
      let alarms = 0
      for (let trial = 0; trial < 4_000; trial += 1) {
        const before = Array.from({ length: 19 + (trial % 30) }, one)
        if (judgeCiGate(gate('ci.build=+0%'), one(), before).state === 'failed') alarms += 1
      }
      // A share of 5 % in 4,000 is below 6 % all but once in 400 times.
      expect(alarms / 4_000).toBeLessThan(0.06)
      expect(alarms).toBeGreaterThan(0)
    }
  })
})

describe('what is made of stages', () => {
  it('counts builds that overlap once, and nothing of what is below them', () => {
    const span = (name: string, startMs: number, ms: number) => ({ name, startMs, ms })
    const spans = [
      span('daemon', 0, 10),
      span('image orders', 100, 400),
      span('image orders › RUN npm ci', 150, 300),
      span('image users', 300, 400),
      span('services › start orders', 800, 100),
    ]
    expect(buildTime({ spans })).toBe(600)
    expect(buildTime({ spans: [span('orders: npm ci', 0, 50), span('orders: npm run build', 50, 70)] })).toBe(120)
    expect(buildTime({ spans: [] })).toBe(0)
  })

  it('is never more than the whole, whatever the spans', () => {
    const interval = fc.record({ startMs: fc.nat(1_000), ms: fc.nat(1_000) })
    fc.assert(
      fc.property(fc.array(interval), (intervals) => {
        const total = buildTime({ spans: intervals.map((one) => ({ ...one, name: 'image a' })) })
        const covered = new Set(intervals.flatMap(({ startMs, ms }) => Array.from({ length: ms }, (_, index) => startMs + index)))
        expect(total).toBe(covered.size)
      }),
      { numRuns: 50 },
    )
  })

  it('keeps figures of stages that passed, as measures with one sample each, unrounded', () => {
    const report = madeCiReport()
    const entry = ciEntry(report)!
    const read = parseHistory(historyLine(entry)).entries[0]!
    expect(read).toEqual(entry)
    expect(Object.fromEntries(read.series.map(({ measure, samples }) => [measure, samples[0]!.ms]))).toEqual({
      ...stageFigures(report.stages),
      'ci.total': report.durationMs,
      'ci.lead': report.timeline.leadMs,
    })
    expect(valuesBefore([read], { measure: 'ci.test', of: 'orders', workspace: 'shop', runtime: 'kind' })).toEqual([2_345.678])
    expect(valuesBefore([read], { measure: 'ci.test', of: 'orders', workspace: 'shop', runtime: 'process' })).toEqual([])
    // Of all services it would be another figure, and a whole run is like those with the same stages only.
    expect(valuesBefore([read], { measure: 'ci.test', of: 'orders+users', workspace: 'shop', runtime: 'kind' })).toEqual([])
    expect(read.series.find(({ measure }) => measure === 'ci.total')!.of).toBe('orders (start+parity+test+stop+deploy)')
    expect(ciEntry(failedCiReport())).toBeUndefined()
    expect(ciEntry({ ...report, gates: [{ ...report.gates[0]!, state: 'failed' }] })).toBeUndefined()
    const same = ciEntry({ ...report, deployments: [{ ...report.deployments[0]!, isChanged: false }] })!
    expect(same.series.map(({ measure }) => measure)).not.toContain('ci.deploy')
    expect(ciEntry({ ...report, isInterrupted: true })).toBeUndefined()
  })
})

describe('reports of a run', () => {
  const validate = new Ajv().compile(JSON.parse(readFileSync('docs/ci.schema.json', 'utf8')) as object)

  it('are as their schema says, after a turn through text', () => {
    for (const report of [madeCiReport(), failedCiReport()])
      expect(validate(JSON.parse(JSON.stringify(report))), JSON.stringify(validate.errors)).toBe(true)
    expect(validate({ ...madeCiReport(), version: 2 })).toBe(false)
    expect(validate({ ...madeCiReport(), stages: [{ name: 'dance' }] })).toBe(false)
  })

  it('show stages, the way of the change, gates and what is not known', async () => {
    const style = createStyle({ colour: false, unicode: true })
    await expect(`${renderCi(madeCiReport(), style).join('\n')}\n`).toMatchFileSnapshot('../golden/cli/ci.txt')
    await expect(`${renderCi(failedCiReport(), style).join('\n')}\n`).toMatchFileSnapshot('../golden/cli/ci-failed.txt')
  })

  it('let nothing that users or tests wrote be markup, in Markdown', async () => {
    const text = renderCiMarkdown(failedCiReport())
    await expect(text).toMatchFileSnapshot('../golden/cli/ci-failed.md')
    const marked = text.split('\n').filter((line) => !line.startsWith('    '))
    expect(marked.join('\n')).not.toMatch(/(?<!\\)<(?!\/?details>|\/?summary>)/)
    expect(marked.join('\n')).not.toContain('@team')
    // What a test printed stands in an indented block, which no line of it can end.
    expect(text).toContain('\n    ```\n')
  })

  it('count failures in JUnit where they are: at the service whose tests failed', () => {
    const xml = renderCiJUnit(failedCiReport())
    expect(xml).toContain('<testcase classname="shiv ci.tests" name="orders" time="2.345678"><failure message="npm test failed">')
    expect(xml).toMatch(/<testsuite name="shiv ci" tests="\d+" failures="2" errors="0" skipped="2"/)
    expect(xml).not.toContain('<script>')
    expect(renderCiJUnit(madeCiReport())).toContain('failures="0"')
  })

  it('hold to the grammar of OpenMetrics', () => {
    const label = '[a-z_]+="(?:[^"\\\\\\n]|\\\\["\\\\n])*"'
    const sample = new RegExp(`^shiv_ci_[a-z_]+\\{${label}(?:,${label})*\\} -?[0-9.e+-]+ [0-9.]+$`)
    const lines = renderCiMetrics(failedCiReport()).split('\n')
    expect(lines.slice(-2)).toEqual(['# EOF', ''])
    for (const line of lines.slice(0, -2)) expect(line).toMatch(line.startsWith('#') ? /^# (TYPE|UNIT|HELP) shiv_ci_/ : sample)
    expect(lines.filter((line) => line.startsWith('shiv_ci_lead_time_seconds'))).toEqual([])
    expect(renderCiMetrics(madeCiReport())).toContain('shiv_ci_lead_time_seconds{workspace="shop",runtime="kind"')
  })

  it('are traces with the stages on one track and the change on another, nothing of negative length', () => {
    const { traceEvents } = ciTrace(failedCiReport())
    expect(traceEvents.filter(({ ph }) => ph === 'M').map(({ args }) => args!['name'])).toEqual(['change', 'shiv ci'])
    for (const { dur = 0 } of traceEvents) expect(dur).toBeGreaterThanOrEqual(0)
  })

  it('are pages without scripts and without what others wrote as markup', () => {
    const html = renderCiHtml(failedCiReport())
    expect(html).not.toContain('<script')
    expect(html).toContain('&lt;script&gt;')
  })
})

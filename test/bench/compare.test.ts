import { describe, expect, it } from 'vitest'
import { compare, judge, movedSpans, type Pair } from '../../src/bench/compare.ts'
import { hodgesLehmannRatio } from '../../src/bench/effect.ts'
import { judgeGate, parseGate } from '../../src/bench/gates.ts'
import { rankTest } from '../../src/bench/rank-tests.ts'
import type { Series } from '../../src/bench/samples.ts'
import { changedSpans } from '../../src/bench/span-diff.ts'
import { strataOf } from '../../src/bench/strata.ts'
import { noise } from '../support/noise.ts'

export function seriesOf(
  side: string,
  values: number[],
  measure = 'loop',
  spans: (ms: number) => [string, number][] = () => [],
): Series {
  return {
    measure,
    of: 'orders',
    side,
    samples: values.map((ms, index) => ({
      ms,
      at: 1.7e12 + index,
      spans: spans(ms).map(([name, ms]) => ({ name, startMs: 0, ms })),
    })),
    warmUps: 0,
    ended: 'tight',
  }
}

function pair(values: number[], baseline: number[], measure = 'loop', obstacle?: string): Pair {
  return {
    side: seriesOf('here', values, measure),
    base: seriesOf('main', baseline, measure),
    isInterleaved: true,
    ...(obstacle && { obstacle }),
  }
}

describe('a comparison', () => {
  it('says slower, faster, same or cannot tell', () => {
    const verdict = (values: number[], baseline: number[]) => compare([pair(values, baseline)])[0]!.verdict
    expect(verdict(noise(1, 225, 0.1, 105), noise(2, 225))).toBe('slower')
    expect(verdict(noise(3, 225, 0.1, 92), noise(4, 225))).toBe('faster')
    expect(verdict(noise(5, 200), noise(6, 200))).toBe('same')
    expect(verdict(noise(7, 8), noise(8, 8))).toBe('cannot tell')
    expect(verdict([100], [100])).toBe('cannot tell')
    expect(verdict(Array(10).fill(100), Array(10).fill(100))).toBe('same')
    expect(verdict(Array(10).fill(110), Array(10).fill(100))).toBe('slower')
  })

  it('raises hardly a false alarm in 100 when nothing changed, for three measures together', () => {
    let alarms = 0
    for (let trial = 0; trial < 100; trial += 1) {
      const pairs = ['loop', 'start.warm', 'build.file'].map((measure, index) =>
        pair(noise(trial * 10 + index, 30), noise(50_000 + trial * 10 + index, 30), measure),
      )
      if (compare(pairs).some(({ verdict }) => verdict === 'slower' || verdict === 'faster')) alarms += 1
    }
    // 1 % of 100, and two standard errors of what chance adds.
    expect(alarms).toBeLessThanOrEqual(3)
  })

  it('sees a slow-down of 5 % 95 times of 100 at the precision that an experiment stops at', () => {
    let seen = 0
    for (let trial = 0; trial < 100; trial += 1) {
      const strata = strataOf(noise(trial, 225, 0.1, 105), noise(70_000 + trial, 225))
      if (judge(hodgesLehmannRatio(strata), rankTest(strata).p).verdict === 'slower') seen += 1
    }
    expect(seen).toBeGreaterThanOrEqual(95)
  })

  it('says that there are too few samples where no difference could be told', () => {
    const [one] = compare([pair([200, 201, 202, 203], [100, 101, 102, 103])])
    expect(one).toMatchObject({ verdict: 'cannot tell', why: expect.stringContaining('too few samples for a verdict') })
    const eight = Array.from({ length: 8 }, (_, index) =>
      pair([200, 201, 202, 203, 204, 205], [100, 101, 102, 103, 104, 105], `m${index}`),
    )
    expect(compare(eight)[0]).toMatchObject({ why: expect.stringContaining('too few samples for a verdict') })
    expect(compare(eight.slice(0, 1))[0]!.verdict).toBe('slower')
  })

  it('names the spans that moved as it says', () => {
    const spans = [
      { name: 'built', ms: 20, baseMs: 40, deltaMs: -20 },
      { name: 'ready', ms: 30, baseMs: 16, deltaMs: 14 },
    ]
    expect(movedSpans({ verdict: 'slower', spans }).map(({ name }) => name)).toEqual(['ready'])
    expect(movedSpans({ verdict: 'faster', spans }).map(({ name }) => name)).toEqual(['built'])
    expect(movedSpans({ verdict: 'same', spans })).toEqual([])
  })

  it('compares nothing with an obstacle in the way, and says which', () => {
    const [comparison] = compare([pair(noise(1, 130, 0.1, 150), noise(2, 130), 'loop', 'another machine: 8 cores there, 2 here')])
    expect(comparison).toMatchObject({
      verdict: 'cannot tell',
      why: 'another machine: 8 cores there, 2 here',
      isComparable: false,
    })
  })

  it('does not call a difference that is sure and tiny slower', () => {
    expect(judge({ value: 1.004, interval: { low: 1.002, high: 1.006 } }, 1e-9).verdict).toBe('same')
  })
})

describe('the difference of spans', () => {
  it('names the innermost span that grew', () => {
    const spans =
      (install: number) =>
      (ms: number): [string, number][] => [
        ['image orders', ms],
        ['image orders › RUN npm ci', install],
        ['image orders › COPY . .', 5],
      ]
    const [first, ...others] = changedSpans(
      seriesOf('here', [150, 152, 151], 'build.file', spans(90)).samples,
      seriesOf('main', [100, 101, 99], 'build.file', spans(40)).samples,
    )
    expect(first).toMatchObject({ name: 'image orders › RUN npm ci', deltaMs: 50 })
    expect(others.map(({ name }) => name)).not.toContain('image orders')
  })

  it('counts a span that is on one side only', () => {
    const changes = changedSpans(
      seriesOf('here', [10], 'loop', () => [['built', 7]]).samples,
      seriesOf('main', [3], 'loop', () => [['sent', 2]]).samples,
    )
    expect(changes.map(({ name, deltaMs }) => [name, deltaMs])).toEqual([
      ['built', 7],
      ['sent', -2],
    ])
  })
})

describe('a gate', () => {
  const measures = ['loop', 'start.warm']

  it('is read, or refused with what would be one', () => {
    expect(parseGate('loop.p50=+10%', measures)).toMatchObject({ measure: 'loop', statistic: 'p50', limit: { most: 1.1 } })
    expect(parseGate('start.warm.p95=3s', measures)).toMatchObject({ measure: 'start.warm', limit: { mostMs: 3000 } })
    for (const bad of ['loop=+10%', 'loop.p50', 'loop.p50=10%', 'lop.p50=+10%', 'loop.p50=-10%', 'loop.p99=1s'])
      expect(() => parseGate(bad, measures), bad).toThrow(expect.objectContaining({ code: 'BENCH_GATE' }))
    expect(() => parseGate('build.file.p50=+10%', measures)).toThrow('build.file is not measured here')
  })

  const states = (gate: string, values: number[], baseline: number[], obstacle?: string) => {
    const one = pair(values, baseline, 'loop', obstacle)
    return judgeGate(parseGate(gate, measures), [one.side], compare([one])).map(({ state }) => state)
  }

  it('fails on evidence alone', () => {
    expect(states('loop.p50=+10%', noise(1, 100, 0.1, 130), noise(2, 100))).toEqual(['failed'])
    expect(states('loop.p50=+10%', noise(3, 100), noise(4, 100))).toEqual(['passed'])
    expect(states('loop.p50=+10%', noise(5, 8, 0.2, 112), noise(6, 8, 0.2))).toEqual(['unproven'])
    expect(states('loop.p50=+10%', [200], [100])).toEqual(['unproven'])
    expect(states('loop.p50=+10%', noise(1, 100, 0.1, 130), noise(2, 100), 'another machine')).toEqual(['unproven'])
    expect(states('loop.p95=+10%', noise(1, 100, 0.1, 150), noise(2, 100))).toEqual(['failed'])
    // No resample is larger than the largest sample, and the 95th percentile is, two times in three.
    expect(states('loop.p95=+10%', noise(1, 8), noise(2, 8))).toEqual(['unproven'])
    expect(states('loop.p95=3s', noise(1, 8), [])).toEqual(['unproven'])
  })

  it('is not passed over where its measure was not taken', () => {
    const gate = parseGate('start.warm.p50=+10%', measures)
    const one = pair(noise(1, 50), noise(2, 50))
    expect(judgeGate(gate, [one.side], compare([one]))).toEqual([
      { gate: gate.text, name: 'start.warm', state: 'unproven', why: 'it was not measured' },
    ])
    expect(judgeGate(parseGate('loop.p50=+10%', measures), [one.side], [])).toMatchObject([
      { state: 'unproven', why: 'there is nothing to compare it with' },
    ])
  })

  it('holds a time without any base', () => {
    expect(states('loop.p50=80ms', noise(1, 50), [])).toEqual(['failed'])
    expect(states('loop.p50=2s', noise(1, 50), [])).toEqual(['passed'])
    expect(states('loop.p50=80ms', [100], [])).toEqual(['unproven'])
  })
})

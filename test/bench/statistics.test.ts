import { execFileSync } from 'node:child_process'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bootstrap, bootstrapRatio, median, quantile, quantileInterval, quantileRanks } from '../../src/bench/statistics.ts'
import { noise } from '../support/noise.ts'
import { askSciPy } from '../support/second-implementation.ts'

const samples = fc.array(fc.double({ min: 0.001, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 40 })

describe('quantile', () => {
  it('interpolates as R does by default (type 7)', () => {
    expect(quantile([1, 2, 3, 4], 0.25)).toBe(1.75)
    expect(quantile([15, 20, 35, 40, 50], 0.4)).toBe(29)
    expect(median([3, 1, 2])).toBe(2)
    expect(quantile([7], 0.95)).toBe(7)
  })

  it('agrees with a second implementation, Python’s statistics.quantiles', ({ skip }) => {
    const values = Array.from({ length: 37 }, (_, i) => Math.sin(i) * 50 + i)
    let theirs: number[]
    try {
      const program =
        'import json,sys,statistics;print(json.dumps(statistics.quantiles(json.load(sys.stdin),n=20,method="inclusive")))'
      theirs = JSON.parse(execFileSync('python3', ['-c', program], { input: JSON.stringify(values), encoding: 'utf8' }))
    } catch {
      return skip('skipped: python3 is not on this machine')
    }
    theirs.forEach((value, i) => expect(quantile(values, (i + 1) / 20)).toBeCloseTo(value, 9))
  })

  it('never leaves the range of its samples', () => {
    fc.assert(
      fc.property(samples, fc.double({ min: 0, max: 1, noNaN: true }), (values, p) => {
        const value = quantile(values, p)
        expect(value).toBeGreaterThanOrEqual(Math.min(...values) * (1 - 1e-12))
        expect(value).toBeLessThanOrEqual(Math.max(...values) * (1 + 1e-12))
      }),
    )
  })

  it('refuses what has no answer', () => {
    expect(() => quantile([], 0.5)).toThrow(RangeError)
    expect(() => quantile([1], 1.1)).toThrow(RangeError)
    expect(() => quantile([1], Number.NaN)).toThrow(RangeError)
  })
})

describe('bootstrap', () => {
  it('is the same for the same samples and holds the estimate', () => {
    const values = [12, 14, 11, 13, 18, 12.5, 13.5, 12.2]
    const estimate = bootstrap(values)
    expect(bootstrap(values)).toEqual(estimate)
    expect(estimate.low).toBeLessThanOrEqual(estimate.value)
    expect(estimate.high).toBeGreaterThanOrEqual(estimate.value)
    expect(estimate.count).toBe(8)
  })

  it('covers the true median of known noise about as often as it says', () => {
    const random = (seed: number) => () => (seed = (seed * 16807) % 2147483647) / 2147483647
    let covered = 0
    for (let trial = 1; trial <= 200; trial++) {
      const next = random(trial * 7919)
      const { low, high } = bootstrap(
        Array.from({ length: 25 }, () => 100 + next() * 20),
        0.5,
        400,
      )
      if (low <= 110 && 110 <= high) covered++
    }
    expect(covered).toBeGreaterThan(176)
  })

  it('gives a ratio its own interval', () => {
    const ratio = bootstrapRatio([20, 21, 19, 20.5], [10, 10.2, 9.8, 10.1])
    expect(ratio.value).toBeCloseTo(2, 1)
    expect(ratio.low).toBeGreaterThan(1.8)
    expect(ratio.high).toBeLessThan(2.2)
  })
})

describe('the bootstrap of a ratio of pairs', () => {
  // A machine that is now slow and now fast, both sides of a block alike.
  const weather = Array.from({ length: 60 }, (_, block) => 1 + 0.5 * Math.sin(block / 9))
  const side = (seed: number, level: number) => noise(seed, 60, 0.03, level).map((value, block) => value * weather[block]!)
  const [samples, baseline] = [side(1, 110), side(2, 100)]

  it('keeps what met both at once together', () => {
    const [paired, alone] = [true, false].map((isPaired) => bootstrapRatio(samples, baseline, 0.5, { isPaired }))
    expect(paired!.value).toBe(alone!.value)
    expect(paired!.low).toBeGreaterThan(1)
    expect(alone!.low).toBeLessThan(1)
  })

  it('agrees with a second implementation, SciPy’s', ({ skip }) => {
    const theirs = askSciPy<[number, number]>(
      `import numpy
found = stats.bootstrap((numpy.array(data["samples"]), numpy.array(data["baseline"])), lambda a, b, axis: numpy.median(a, axis=axis) / numpy.median(b, axis=axis), paired=True, n_resamples=9999, method="percentile", rng=numpy.random.default_rng(1))
print(json.dumps([float(found.confidence_interval.low), float(found.confidence_interval.high)]))`,
      { samples, baseline },
    )
    if (!theirs) return skip()
    const { low, high } = bootstrapRatio(samples, baseline, 0.5, { isPaired: true, resamples: 9999 })
    expect(low).toBeCloseTo(theirs[0], 2)
    expect(high).toBeCloseTo(theirs[1], 2)
  })
})

describe('the interval of a quantile by order statistics', () => {
  it('has the ranks that the table for medians prints (Campbell & Gardner 1988, 95 %)', () => {
    const table: [count: number, low: number, high: number][] = [
      [6, 1, 6],
      [10, 2, 9],
      [20, 6, 15],
      [30, 10, 21],
      [40, 14, 27],
      [50, 18, 33],
      [100, 40, 61],
    ]
    for (const [count, low, high] of table) expect(quantileRanks(count, 0.5), `${count} samples`).toEqual({ low, high })
  })

  it('is none where there are too few samples, and one of samples where there are enough', () => {
    expect(quantileInterval([1], 0.5)).toBeUndefined()
    expect(quantileInterval([1, 2, 3, 4, 5], 0.5)).toBeUndefined()
    expect(quantileInterval([6, 5, 4, 3, 2, 1], 0.5)).toEqual({ low: 1, high: 6 })
    expect(quantileInterval([1, 2, 3, 4, 5, 6, 7, 8, 9, 10], 0.95)).toBeUndefined()
    expect(quantileRanks(2000, 0.5)).toEqual({ low: 956, high: 1045 })
  })
})

import { describe, expect, it } from 'vitest'
import { hodgesLehmannRatio } from '../../src/bench/effect.ts'
import { normalCdf, normalQuantile, twoSided } from '../../src/bench/normal.ts'
import { holm, mannKendall, mannWhitney, mannWhitneyCdf } from '../../src/bench/rank-tests.ts'
import { noise } from '../support/noise.ts'
import { askSciPy } from '../support/second-implementation.ts'

describe('the normal distribution', () => {
  it('has the quantiles of every table', () => {
    for (const [p, z] of [
      [0.975, 1.959963984540054],
      [0.995, 2.5758293035489004],
      [0.8, 0.8416212335729143],
      [0.999, 3.090232306167813],
    ] as const) {
      expect(normalQuantile(p)).toBeCloseTo(z, 9)
      expect(normalCdf(z)).toBeCloseTo(p, 12)
      expect(normalQuantile(1 - p)).toBeCloseTo(-z, 9)
    }
    // Abramowitz & Stegun 1964, table 26.2: Q(5) = 2.86652E-7, Q(10) = 7.61985E-24.
    expect(twoSided(5.0001) / 2 / 2.86504e-7).toBeCloseTo(1, 3)
    expect(twoSided(10) / 2 / 7.61985302416e-24).toBeCloseTo(1, 9)
    expect(() => normalQuantile(1)).toThrow(RangeError)
  })
})

describe('the Mann-Whitney test', () => {
  it('has the critical values that the tables print (two-sided, 5 %)', () => {
    // Siegel & Castellan 1988 and any table of U since: the largest U that is significant.
    const table: [n: number, m: number, critical: number][] = [
      [5, 5, 2],
      [4, 4, 0],
      [8, 8, 13],
      [10, 10, 23],
      [12, 12, 37],
      [15, 15, 64],
      [20, 20, 127],
      [5, 10, 8],
    ]
    for (const [n, m, critical] of table) {
      const cdf = mannWhitneyCdf(n, m)
      expect(2 * cdf[critical]!, `${n}, ${m}`).toBeLessThanOrEqual(0.05)
      expect(2 * cdf[critical + 1]!, `${n}, ${m}`).toBeGreaterThan(0.05)
    }
  })

  it('counts pairs', () => {
    expect(mannWhitney([1, 2, 3], [4, 5, 6])).toEqual({ u: 0, p: expect.closeTo(0.1, 12), method: 'exact' })
    expect(mannWhitney([4, 5, 6], [1, 2, 3]).u).toBe(9)
    expect(mannWhitney([1, 1], [1, 1])).toMatchObject({ u: 2, p: 1 })
  })

  it('agrees with a second implementation, SciPy’s', ({ skip }) => {
    const pairs = [
      { a: noise(1, 12), b: noise(2, 15, 0.1, 108), method: 'exact' },
      { a: noise(3, 30), b: noise(4, 40, 0.1, 103), method: 'exact' },
      { a: noise(5, 80), b: noise(6, 90, 0.1, 104), method: 'asymptotic' },
      { a: noise(7, 40).map(Math.round), b: noise(8, 35, 0.1, 103).map(Math.round), method: 'asymptotic' },
      { a: [3, 3, 3, 4], b: [3, 3, 5, 3], method: 'asymptotic' },
    ]
    const theirs = askSciPy<[number, number][]>(
      'print(json.dumps([list(map(float, stats.mannwhitneyu(d["a"], d["b"], method=d["method"]))) for d in data]))',
      pairs,
    )
    if (!theirs) return skip()
    pairs.forEach(({ a, b }, index) => {
      const { u, p } = mannWhitney(a, b)
      expect(u).toBe(theirs[index]![0])
      expect(p).toBeCloseTo(theirs[index]![1], 10)
    })
  })

  it('refuses a side without samples', () => {
    expect(() => mannWhitney([], [1])).toThrow(RangeError)
    expect(() => hodgesLehmannRatio([1], [])).toThrow(RangeError)
    expect(() => hodgesLehmannRatio([0], [1])).toThrow(RangeError)
  })
})

describe('Holm’s correction', () => {
  it('is the one of the textbook example, in the order of the measures', () => {
    const corrected = holm([0.01, 0.04, 0.03, 0.005])
    ;[0.03, 0.06, 0.06, 0.02].forEach((p, index) => expect(corrected[index]).toBeCloseTo(p, 12))
    expect(holm([])).toEqual([])
    expect(holm([0.9, 0.8])).toEqual([1, 1])
  })
})

describe('the Mann-Kendall test', () => {
  it('agrees with a second implementation, Kendall’s tau of SciPy', ({ skip }) => {
    const rising = noise(9, 60).map((value, index) => Math.round(value + index / 4))
    const flat = noise(10, 60)
    const theirs = askSciPy<number[]>(
      'print(json.dumps([float(stats.kendalltau(range(len(d)), d, method="asymptotic").pvalue) for d in data]))',
      [rising, flat],
    )
    if (!theirs) return skip()
    expect(mannKendall(rising).p).toBeCloseTo(theirs[0]!, 10)
    expect(mannKendall(flat).p).toBeCloseTo(theirs[1]!, 10)
  })

  it('knows order from disorder', () => {
    expect(mannKendall([1, 2, 3, 4, 5, 6, 7, 8])).toMatchObject({ s: 28 })
    expect(mannKendall([1, 2, 3, 4, 5, 6, 7, 8]).p).toBeLessThan(0.001)
    expect(mannKendall([5, 5, 5, 5]).p).toBe(1)
    expect(mannKendall([1, 2]).p).toBe(1)
  })
})

describe('the ratio of Hodges and Lehmann', () => {
  it('finds a planted factor, and its interval holds it as often as it says', () => {
    let held = 0
    for (let trial = 0; trial < 400; trial += 1) {
      const { interval } = hodgesLehmannRatio(noise(1000 + trial, 30, 0.15, 107), noise(5000 + trial, 30, 0.15, 100))
      if (interval && interval.low <= 1.07 && 1.07 <= interval.high) held += 1
    }
    // 95 % of 400 less three standard errors.
    expect(held).toBeGreaterThan(367)
    expect(held).toBeLessThan(396)
  })

  it('never says other than the test does', () => {
    for (let trial = 0; trial < 200; trial += 1) {
      const [a, b] = [noise(trial, 14, 0.1, 107), noise(9000 + trial, 17)]
      const { interval } = hodgesLehmannRatio(a, b)
      const excludesOne = interval!.low > 1 || interval!.high < 1
      expect(excludesOne).toBe(mannWhitney(a, b).p <= 0.05)
    }
  })

  it('has no interval for one sample, and none that lies', () => {
    expect(hodgesLehmannRatio([110], [100]).value).toBeCloseTo(1.1, 12)
    expect(hodgesLehmannRatio([110], [100]).interval).toBeUndefined()
    const { value, interval } = hodgesLehmannRatio([5, 5, 5, 5, 5], [5, 5, 5, 5, 5])
    expect([value, interval]).toEqual([1, { low: 1, high: 1 }])
  })

  it('agrees with a second implementation: every pair, in Python, and SciPy’s distribution', ({ skip }) => {
    const [a, b] = [noise(21, 9), noise(22, 11, 0.1, 92)]
    const theirs = askSciPy<{ value: number; low: number; high: number }>(
      `import math, itertools, statistics
ratios = sorted(x / y for x in data["a"] for y in data["b"])
n, m = len(data["a"]), len(data["b"])
counts = [0] * (n * m + 1)
for chosen in itertools.combinations(range(n + m), n): counts[sum(chosen) - n * (n - 1) // 2] += 1
total, k, below = math.comb(n + m, n), 0, 0
while (below + counts[k]) / total <= 0.025: below += counts[k]; k += 1
print(json.dumps({"value": math.exp(statistics.median(map(math.log, ratios))), "low": ratios[k - 1], "high": ratios[n * m - k]}))`,
      { a, b },
    )
    if (!theirs) return skip()
    const { value, interval } = hodgesLehmannRatio(a, b)
    expect(value).toBeCloseTo(theirs.value, 10)
    expect(interval!.low).toBeCloseTo(theirs.low, 10)
    expect(interval!.high).toBeCloseTo(theirs.high, 10)
  })
})

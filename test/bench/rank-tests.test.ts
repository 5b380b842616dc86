import { describe, expect, it } from 'vitest'
import { hodgesLehmannRatio } from '../../src/bench/effect.ts'
import { normalCdf, normalQuantile, twoSided } from '../../src/bench/normal.ts'
import { holm, mannKendall, mannWhitney, mannWhitneyCdf, nullDistribution, rankTest } from '../../src/bench/rank-tests.ts'
import { strataOf, type Stratum } from '../../src/bench/strata.ts'
import { noise } from '../support/noise.ts'
import { askSciPy } from '../support/second-implementation.ts'

const one = (samples: number[], baseline: number[]): Stratum[] => [{ samples, baseline }]

/** Both sides on a machine that slows down to half its speed meanwhile. */
function onATiringMachine(seed: number, blocks: number, factor: number): [samples: number[], baseline: number[]] {
  const tired = (value: number, block: number): number => value * (1 + block / blocks)
  return [noise(seed, blocks, 0.1, 100 * factor).map(tired), noise(seed + 40_000, blocks).map(tired)]
}

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
    expect(() => hodgesLehmannRatio(one([1], []))).toThrow(RangeError)
    expect(() => hodgesLehmannRatio(one([0], [1]))).toThrow(RangeError)
  })
})

describe('the rank test of several strata', () => {
  it('is the test of Mann and Whitney where there is one', () => {
    const [a, b] = [noise(31, 20), noise(32, 24)]
    expect(rankTest(one(a, b))).toEqual(mannWhitney(a, b))
    expect(nullDistribution(one(a, b))).toEqual(mannWhitneyCdf(20, 24))
  })

  it('agrees with a second implementation: every way to deal the samples of each stratum, and SciPy’s variance', ({ skip }) => {
    const small: Stratum[] = [
      { samples: noise(41, 3, 0.1, 112), baseline: noise(42, 4) },
      { samples: noise(43, 4, 0.1, 220), baseline: noise(44, 3, 0.1, 200) },
      { samples: noise(45, 3, 0.1, 56), baseline: noise(46, 3, 0.1, 50) },
    ]
    const large = strataOf(noise(47, 700), noise(48, 700, 0.1, 101))
    const theirs = askSciPy<{ u: number; exact: number; normal: number }>(
      `import itertools, math
def dealt(n, m):
    return [sum(chosen) - n * (n - 1) // 2 for chosen in itertools.combinations(range(n + m), n)]
def counted(strata):
    return sum(x > y for s in strata for x in s["samples"] for y in s["baseline"])
sums = [0]
for s in data["small"]: sums = [a + b for a in sums for b in dealt(len(s["samples"]), len(s["baseline"]))]
u, pairs = counted(data["small"]), sum(len(s["samples"]) * len(s["baseline"]) for s in data["small"])
extreme = min(u, pairs - u)
z = sum((counted([s]) - len(s["samples"]) * len(s["baseline"]) / 2) for s in data["large"])
variance = sum(len(s["samples"]) * len(s["baseline"]) * (len(s["samples"]) + len(s["baseline"]) + 1) / 12 for s in data["large"])
print(json.dumps({"u": u, "exact": 2 * sum(v <= extreme for v in sums) / len(sums), "normal": float(2 * stats.norm.sf((abs(z) - 0.5) / math.sqrt(variance)))}))`,
      { small, large },
    )
    if (!theirs) return skip()
    expect(rankTest(small)).toEqual({ u: theirs.u, p: expect.closeTo(theirs.exact, 12), method: 'exact' })
    expect(rankTest(large)).toMatchObject({ p: expect.closeTo(theirs.normal, 10), method: 'normal' })
  })

  it('sees through a machine that tires, where comparing all with all does not', () => {
    let [beside, all, held] = [0, 0, 0]
    for (let trial = 0; trial < 100; trial += 1) {
      const [a, b] = onATiringMachine(100 + trial, 150, 1.05)
      if (rankTest(strataOf(a, b)).p <= 0.01) beside += 1
      if (mannWhitney(a, b).p <= 0.01) all += 1
      const { interval } = hodgesLehmannRatio(strataOf(a, b))
      if (interval!.low <= 1.05 && 1.05 <= interval!.high) held += 1
    }
    expect(beside).toBeGreaterThanOrEqual(90)
    expect(all).toBeLessThan(60)
    // 95 of 100, and two standard errors.
    expect(held).toBeGreaterThanOrEqual(90)
  })

  it('raises no more alarms on such a machine than it says', () => {
    let alarms = 0
    for (let trial = 0; trial < 400; trial += 1)
      if (rankTest(strataOf(...onATiringMachine(900 + trial, 40, 1))).p <= 0.05) alarms += 1
    // 5 % of 400, and three standard errors.
    expect(alarms).toBeLessThanOrEqual(33)
  })

  it('divides blocks evenly, and sides of unlike length not at all', () => {
    const sizes = (blocks: number) => strataOf(noise(1, blocks), noise(2, blocks)).map(({ samples }) => samples.length)
    expect(sizes(1)).toEqual([1])
    expect(sizes(7)).toEqual([7])
    expect(sizes(8)).toEqual([4, 4])
    expect(sizes(52)).toEqual([5, 5, 6, 5, 5, 5, 5, 6, 5, 5])
    expect(strataOf([1, 2, 3], [1, 2])).toEqual(one([1, 2, 3], [1, 2]))
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
      const { interval } = hodgesLehmannRatio(one(noise(1000 + trial, 30, 0.15, 107), noise(5000 + trial, 30, 0.15, 100)))
      if (interval && interval.low <= 1.07 && 1.07 <= interval.high) held += 1
    }
    // 95 % of 400 less three standard errors.
    expect(held).toBeGreaterThan(367)
    expect(held).toBeLessThan(396)
  })

  it('never says other than the test does', () => {
    for (let trial = 0; trial < 200; trial += 1) {
      const [a, b] = [noise(trial, 14, 0.1, 107), noise(9000 + trial, 17)]
      const { interval } = hodgesLehmannRatio(one(a, b))
      const excludesOne = interval!.low > 1 || interval!.high < 1
      expect(excludesOne).toBe(mannWhitney(a, b).p <= 0.05)
    }
  })

  it('never says other than the test of strata does', () => {
    for (let trial = 0; trial < 200; trial += 1) {
      const strata = strataOf(noise(trial, 18, 0.1, 107), noise(9000 + trial, 18))
      const { interval } = hodgesLehmannRatio(strata)
      expect(interval!.low > 1 || interval!.high < 1).toBe(rankTest(strata).p <= 0.05)
    }
  })

  it('has no interval for one sample, and none that lies', () => {
    expect(hodgesLehmannRatio(one([110], [100])).value).toBeCloseTo(1.1, 12)
    expect(hodgesLehmannRatio(one([110], [100])).interval).toBeUndefined()
    const { value, interval } = hodgesLehmannRatio(one([5, 5, 5, 5, 5], [5, 5, 5, 5, 5]))
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
    const { value, interval } = hodgesLehmannRatio(one(a, b))
    expect(value).toBeCloseTo(theirs.value, 10)
    expect(interval!.low).toBeCloseTo(theirs.low, 10)
    expect(interval!.high).toBeCloseTo(theirs.high, 10)
  })
})

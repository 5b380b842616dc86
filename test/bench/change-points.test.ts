import { describe, expect, it } from 'vitest'
import { changePoints } from '../../src/bench/change-points.ts'
import { drift, outliers, smallestDifference } from '../../src/bench/noise.ts'
import { median } from '../../src/bench/statistics.ts'
import { rankTest } from '../../src/bench/rank-tests.ts'
import { strataOf } from '../../src/bench/strata.ts'
import { noise } from '../support/noise.ts'

/** Annual flow of the Nile at Aswan, 1871 to 1970, in 10⁸ m³: the data set on which change-point tests are shown (Cobb 1978); the level fell after 1898. */
const NILE = [
  1120, 1160, 963, 1210, 1160, 1160, 813, 1230, 1370, 1140, 995, 935, 1110, 994, 1020, 960, 1180, 799, 958, 1140, 1100, 1210,
  1150, 1250, 1260, 1220, 1030, 1100, 774, 840, 874, 694, 940, 833, 701, 916, 692, 1020, 1050, 969, 831, 726, 456, 824, 702, 1120,
  1100, 832, 764, 821, 768, 845, 864, 862, 698, 845, 744, 796, 1040, 759, 781, 865, 845, 944, 984, 897, 822, 1010, 771, 676, 649,
  846, 812, 742, 801, 1040, 860, 874, 848, 890, 744, 749, 838, 1050, 918, 986, 797, 923, 975, 815, 1020, 906, 901, 1170, 912, 746,
  919, 718, 714, 740,
]

describe('change points', () => {
  it('finds the year that the literature names for the Nile', () => {
    const points = changePoints(NILE)
    expect(points.map(({ index }) => 1871 + index)).toEqual([1899])
    expect(points[0]!.p).toBeLessThan(0.01)
    expect(points[0]!.before).toBeGreaterThan(points[0]!.after)
  })

  it('finds made steps where they were made', () => {
    let near = 0
    for (let trial = 0; trial < 60; trial += 1) {
      const points = changePoints([...noise(trial, 20, 0.03, 100), ...noise(300 + trial, 20, 0.03, 115)])
      if (points.some(({ index }) => Math.abs(index - 20) <= 1)) near += 1
    }
    expect(near).toBeGreaterThanOrEqual(57)
    const two = changePoints([...noise(1, 15, 0.02, 100), ...noise(2, 15, 0.02, 120), ...noise(3, 15, 0.02, 90)])
    expect(two.map(({ index }) => index)).toEqual([15, 30])
  })

  it('sees a step in at most 5 of 100 flat series', () => {
    let alarms = 0
    for (let trial = 0; trial < 400; trial += 1) if (changePoints(noise(7000 + trial, 30, 0.08)).length > 0) alarms += 1
    // 5 % of 400 and two standard errors of what chance adds.
    expect(alarms).toBeLessThanOrEqual(28)
  })

  it('needs values on both sides, sees nothing in equal ones, and takes one outlier for no level', () => {
    expect(changePoints([1, 1, 9, 9])).toEqual([])
    expect(changePoints(Array.from({ length: 40 }, () => 5))).toEqual([])
    expect(changePoints([...noise(11, 20, 0.02), 900, ...noise(12, 20, 0.02)])).toEqual([])
    expect(changePoints([...noise(1, 20, 0.001, 100), ...noise(2, 20, 0.001, 100.5)], { least: 0.02 })).toEqual([])
  })
})

describe('noise', () => {
  it('shows outliers by their place', () => {
    expect(outliers([10, 11, 10, 12, 11, 10, 90])).toEqual([6])
    expect(outliers([5, 5, 5, 5, 5])).toEqual([])
    expect(outliers([1, 99])).toEqual([])
  })

  it('tells a series that wandered from one that did not', () => {
    const wandering = drift(noise(1, 40, 0.02).map((value, index) => value * (1 + index / 200)))!
    expect(wandering.p).toBeLessThan(0.001)
    expect(wandering.change).toBeCloseTo(0.2, 1)
    expect(drift(noise(2, 40))!.p).toBeGreaterThan(0.01)
    expect(drift([1, 2, 3])).toBeUndefined()
  })

  it('names the smallest difference that a comparison sees four times in five', () => {
    const [spread, count] = [0.12, 40]
    const said = Array.from({ length: 200 }, (_, trial) => smallestDifference(noise(20_000 + trial, count, spread))!)
    const least = median(said)
    let seen = 0
    for (let trial = 0; trial < 500; trial += 1) {
      const slower = noise(100 + trial, count, spread, 100 * (1 + least))
      if (rankTest(strataOf(slower, noise(6000 + trial, count, spread))).p <= 0.01) seen += 1
    }
    expect(seen / 500).toBeGreaterThan(0.74)
    expect(seen / 500).toBeLessThan(0.86)
    const drifting = noise(1, 4000, spread).map((value, index) => value * (1 + index / 4000))
    expect(smallestDifference(drifting)! / smallestDifference(noise(1, 4000, spread))!).toBeCloseTo(1, 2)
    expect(smallestDifference(Array(10).fill(7))).toBe(0)
    // However far apart, so few samples are no evidence at 1 %.
    expect(smallestDifference([7, 8, 7, 8, 7])).toBeUndefined()
    expect(smallestDifference([])).toBeUndefined()
  })
})

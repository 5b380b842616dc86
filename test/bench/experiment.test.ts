import { describe, expect, it } from 'vitest'
import { harnessCost, runExperiment, type Clocks, type Limits, type Variant } from '../../src/bench/experiment.ts'
import { valuesOf } from '../../src/bench/samples.ts'
import { noise } from '../support/noise.ts'

const limits: Limits = { warmUps: 2, leastRuns: 6, mostRuns: 200, budgetMs: 1e9, precision: 0.025, seed: 1 }

/** A machine whose time passes only by what is measured on it. */
function madeMachine() {
  let now = 0
  let step = 0
  const clocks: Clocks = { now: () => now, wall: () => 1.7e12 + now + step }
  const taken: string[] = []
  const variant = (side: string, values: number[], also: (count: number) => void = () => {}): Variant => {
    let count = 0
    return {
      measure: 'loop',
      of: 'orders',
      side,
      async take() {
        const ms = values[count++ % values.length]!
        also(count)
        now += ms
        taken.push(side)
        return { ms, spans: [{ name: 'built', startMs: 0, ms }] }
      },
    }
  }
  return { clocks, taken, variant, setWall: (ms: number) => (step = ms) }
}

const never = new AbortController().signal

describe('an experiment', () => {
  it('takes every variant once a block, in an order of its own, and counts no warm-up', async () => {
    const { clocks, taken, variant } = madeMachine()
    const series = await runExperiment(
      [variant('a', noise(1, 400, 0.3)), variant('b', noise(2, 400, 0.3))],
      { ...limits, mostRuns: 40 },
      { clocks, signal: never },
    )
    expect(series.map(({ samples, warmUps, ended }) => [samples.length, warmUps, ended])).toEqual([
      [40, 2, 'runs'],
      [40, 2, 'runs'],
    ])
    const blocks = Array.from({ length: 42 }, (_, block) => taken.slice(2 * block, 2 * block + 2).join(''))
    expect(new Set(blocks)).toEqual(new Set(['ab', 'ba']))
    expect(blocks.filter((block) => block === 'ab').length).toBeGreaterThan(10)
  })

  it('ends when the interval is tight, long before its limits', async () => {
    const { clocks, variant } = madeMachine()
    const [calm] = await runExperiment([variant('a', noise(1, 100, 0.01))], limits, { clocks, signal: never })
    expect(calm!.ended).toBe('tight')
    expect(calm!.samples.length).toBeLessThan(12)
    const pair = await runExperiment([variant('a', noise(3, 400)), variant('b', noise(4, 400))], limits, {
      clocks,
      signal: never,
    })
    expect(pair[0]!.ended).toBe('tight')
    expect(pair[0]!.samples.length).toBeGreaterThan(80)
  })

  it('ends when its budget is used, with whole blocks', async () => {
    const { clocks, variant } = madeMachine()
    const [a, b] = await runExperiment(
      [variant('a', noise(1, 100, 0.4)), variant('b', noise(2, 100, 0.4))],
      { ...limits, budgetMs: 2_000 },
      { clocks, signal: never },
    )
    expect(a!.ended).toBe('budget')
    expect(a!.samples.length).toBe(b!.samples.length)
    expect(clocks.now()).toBeLessThan(2_600)
  })

  it('keeps what it has when it is interrupted', async () => {
    const { clocks, variant } = madeMachine()
    const controller = new AbortController()
    const series = await runExperiment([variant('a', noise(1, 100, 0.4), (count) => count === 9 && controller.abort())], limits, {
      clocks,
      signal: controller.signal,
    })
    expect(series[0]!.ended).toBe('interrupted')
    expect(series[0]!.samples).toHaveLength(7)
  })

  it('keeps what it has when a variant fails, and says why', async () => {
    const { clocks, variant } = madeMachine()
    const failing = variant('b', [100], (count) => {
      if (count === 8) throw new Error('the build broke')
    })
    const series = await runExperiment([variant('a', [100]), failing], { ...limits, leastRuns: 50 }, { clocks, signal: never })
    expect(series.map(({ ended, failure }) => [ended, failure])).toEqual([
      ['failed', undefined],
      ['failed', 'the build broke'],
    ])
    expect(series[0]!.samples).toHaveLength(5)
    expect(series[1]!.samples).toHaveLength(5)
  })

  it('marks samples in which the clock was set, whose durations stay what they are', async () => {
    const machine = madeMachine()
    const [series] = await runExperiment(
      [machine.variant('a', [50], (count) => count === 5 && machine.setWall(3_600_000))],
      { ...limits, mostRuns: 8 },
      { clocks: machine.clocks, signal: never },
    )
    expect(
      series!.samples.flatMap(({ clockStepMs }, index) => (clockStepMs === undefined ? [] : [[index, clockStepMs]])),
    ).toEqual([[2, 3_600_000]])
    expect(new Set(valuesOf(series!))).toEqual(new Set([50]))
  })

  it('stands zero variance and a single run', async () => {
    const { clocks, variant } = madeMachine()
    const [flat] = await runExperiment([variant('a', [40])], limits, { clocks, signal: never })
    expect([flat!.ended, flat!.samples.length]).toEqual(['tight', 6])
    const [one] = await runExperiment([variant('a', [40])], { ...limits, mostRuns: 1 }, { clocks, signal: never })
    expect([one!.ended, one!.samples.length]).toEqual(['runs', 1])
  })

  it('costs next to nothing itself', async () => {
    const cost = await harnessCost(50)
    expect(cost).toBeGreaterThanOrEqual(0)
    expect(cost).toBeLessThan(5)
  })
})

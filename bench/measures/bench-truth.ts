import { execa } from 'execa'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { hodgesLehmannRatio } from '../../src/bench/effect.ts'
import type { BenchReport } from '../../src/bench/report.ts'
import { bootstrapRatio } from '../../src/bench/statistics.ts'
import { strataOf } from '../../src/bench/strata.ts'
import { callDaemon } from '../../src/wire/call-daemon.ts'
import type { LoopsResult } from '../../src/wire/messages.ts'
import { openShiv, tinyService, writeTree, type OwnShiv } from '../../test/support/own-shiv.ts'
import type { Row } from '../support/measure.ts'

/** Part of a loop by which the planted change is slower. */
const PLANTED = 0.05

/** How often a sleep of 5 % of the loop in the service's start is called slower, within the default budget. */
export function plantedSlowdown(trials: number): Promise<Row[]> {
  return withRepository(async (own, tree) => {
    const before = await benchLoop(own, tree, ['--runs', '40'])
    const sleepMs = before.series[0]!.summary!.p50.value * PLANTED
    const file = join(tree, 'server.js')
    await writeFile(
      file,
      `Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ${sleepMs})\n${await readFile(file, 'utf8')}`,
    )
    const { told, counts, effects } = await repeat(trials, own, tree)
    const found = told.filter((verdict) => verdict === 'slower').length
    return [
      {
        measure: `a planted slow-down of ${PLANTED * 100} % of the loop is called slower`,
        unit: '%',
        samples: [(100 * found) / trials],
        aim: '≥ 95 of 100',
        met: ({ median }) => median >= 95,
        remark: `${found} of ${trials}; the sleep is ${sleepMs.toFixed(1)} ms. ${summary(told, counts, effects)}`,
      },
    ]
  })
}

/** How often a commit is called slower or faster than itself. */
export function falseAlarms(trials: number): Promise<Row[]> {
  return withRepository(async (own, tree) => {
    const { told, counts, effects } = await repeat(trials, own, tree)
    const alarms = told.filter((verdict) => verdict === 'slower' || verdict === 'faster').length
    return [
      {
        measure: 'a commit is called slower or faster than itself',
        unit: '%',
        samples: [(100 * alarms) / trials],
        aim: '≤ 5 of 100',
        met: ({ median }) => median <= 5,
        remark: `${alarms} of ${trials}. ${summary(told, counts, effects)}`,
      },
    ]
  })
}

async function repeat(trials: number, own: OwnShiv, tree: string) {
  const told: string[] = []
  const counts: number[] = []
  const effects: number[] = []
  for (let trial = 0; trial < trials; trial += 1) {
    const report = await benchLoop(own, tree, ['--against', 'main', '--no-history'])
    const [comparison] = report.comparisons
    told.push(comparison!.verdict)
    effects.push(comparison!.ratio.value)
    counts.push(report.series[0]!.samples.length)
    console.log(`  ${trial + 1}/${trials}: ${comparison!.verdict}, ${comparison!.why}, ${counts.at(-1)} samples a side`)
  }
  return { told, counts, effects }
}

function summary(told: string[], counts: number[], effects: number[]): string {
  const sorted = (values: number[]): number[] => values.toSorted((a, b) => a - b)
  const range = (values: number[], digits: number): string =>
    `${sorted(values)[0]!.toFixed(digits)} to ${sorted(values).at(-1)!.toFixed(digits)}`
  const kinds = [...new Set(told)].map((kind) => `${told.filter((one) => one === kind).length} × ${kind}`)
  return `Verdicts: ${kinds.join(', ')}; ratios ${range(effects, 3)}; ${range(counts, 0)} samples a side.`
}

async function benchLoop(own: OwnShiv, tree: string, flags: string[]): Promise<BenchReport> {
  return JSON.parse(await own.shiv(['bench', 'loop', '--runtime', 'process', '--json', ...flags], { cwd: tree })) as BenchReport
}

async function withRepository(work: (own: OwnShiv, tree: string) => Promise<Row[]>): Promise<Row[]> {
  const own = await openShiv('bench-truth')
  const tree = join(own.folder, 'hello')
  try {
    await writeTree(own.folder, tinyService('hello'))
    const git = (...words: string[]) =>
      execa('git', ['-C', tree, '-c', 'user.name=bench', '-c', 'user.email=bench@localhost', ...words])
    await git('init', '-q', '-b', 'main')
    await git('add', '-A')
    await git('commit', '-qm', 'as it is')
    return await work(own, tree)
  } finally {
    await own.close()
  }
}

/** The daemon's own figures of loops while somebody waits for them as a bench does, and while nobody does, in turn. */
export async function measuringOverhead(count = 500): Promise<Row[]> {
  const own = await openShiv('bench-overhead')
  const tree = join(own.folder, 'hello')
  const place = { path: tree, services: [] }
  try {
    await writeTree(own.folder, tinyService('hello'))
    await own.shiv(['start', tree, '--runtime', 'process'])
    const file = join(tree, 'server.js')
    const text = await readFile(file, 'utf8')
    const loops = async () => (await callDaemon<LoopsResult>({ method: 'loops', params: place }, { home: own.home })).loops
    const lastLoop = async (): Promise<number> => (await loops()).at(-1)?.id ?? 0
    const edit = async (version: string): Promise<number> => {
      const last = await lastLoop()
      await writeFile(file, `${text}\nglobalThis.version = ${JSON.stringify(version)}\n`)
      for (;;) {
        await delay(400)
        const loop = (await loops()).find(({ id, outcome }) => id > last && outcome === 'served')
        if (loop) return loop.durationMs
      }
    }
    const followed: number[] = []
    const alone: number[] = []
    for (let round = -3; round < count; round += 1) {
      for (const isFollowed of round % 2 === 0 ? [true, false] : [false, true]) {
        // Both sides have asked just now and rest for as long: a processor that has rested is slower.
        const after = await lastLoop()
        const waiting = isFollowed
          ? callDaemon<LoopsResult>({ method: 'loops', params: { ...place, after } }, { home: own.home })
          : undefined
        await delay(50)
        const ms = await edit(`${round}-${isFollowed}`)
        await waiting
        if (round >= 0) (isFollowed ? followed : alone).push(ms)
      }
    }
    const { value, interval } = hodgesLehmannRatio(strataOf(followed, alone))
    const { value: medians } = bootstrapRatio(followed, alone, 0.5, { isPaired: true })
    return [
      {
        measure: 'loop while it is measured',
        unit: 'ms',
        samples: followed,
        baseline: { name: 'the same loop, nobody waits', samples: alone },
        aim: 'overhead ≤ 1 %',
        met: () => interval!.high <= 1.01,
        remark: `ratio of pairs ${value.toFixed(4)} [${interval!.low.toFixed(4)}–${interval!.high.toFixed(4)}], of medians ${medians.toFixed(4)}.`,
      },
    ]
  } finally {
    await own.shiv(['stop', '--purge', '--yes'], { cwd: tree, reject: false })
    await own.close()
  }
}

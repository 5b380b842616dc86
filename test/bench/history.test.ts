import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { entriesOf, historyLine, parseHistory } from '../../src/bench/history.ts'
import { changedFacts, classDifferences, machineClass } from '../../src/bench/machine.ts'
import { compare } from '../../src/bench/compare.ts'
import { lastOf, pairWith, readBaseline } from '../../src/cli/bench/baseline.ts'
import { appendHistory, readHistory } from '../../src/cli/bench/history-store.ts'
import { facts, loopSeries, madeReport } from '../support/bench-report.ts'
import { noise } from '../support/noise.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'shiv-bench-history-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const run = (id: string, at: number) =>
  entriesOf(
    madeReport({
      id,
      startedAt: at,
      sides: [{ name: 'here', measuredAt: at }],
      series: [loopSeries('here', [1 / 3, 100.123456789])],
    }),
  )

describe('history', () => {
  it('keeps both sides of a run, each sample as it was measured', async () => {
    const path = join(folder, 'class.jsonl')
    await appendHistory(path, entriesOf(madeReport()))
    await appendHistory(path, run('second', 1.8e12))
    const { entries, aside } = await readHistory(path)
    expect(entries.map(({ id }) => id)).toEqual(['made-1/here', 'made-1/main', 'second/here'])
    expect(entries[2]!.series[0]!.samples.map(({ ms }) => ms)).toEqual([1 / 3, 100.123456789])
    expect(aside).toBeUndefined()
  })

  it('puts half a line aside, and loses neither it nor anything around it', async () => {
    const path = join(folder, 'class.jsonl')
    await appendHistory(path, run('first', 1.7e12))
    const half = historyLine(run('torn', 1.75e12)[0]!).slice(0, 200)
    await appendFile(path, half)
    await appendHistory(path, run('second', 1.8e12))
    const { entries, aside } = await readHistory(path)
    expect(entries.map(({ id }) => id)).toEqual(['first/here', 'second/here'])
    expect(aside).toMatchObject({ lines: 1 })
    expect(await readFile(aside!.path, 'utf8')).toBe(`${half}\n`)
    // Told of once.
    const again = await readHistory(path)
    expect(again.aside).toBeUndefined()
    expect(again.entries).toHaveLength(2)
  })

  it('merges by putting files one behind the other', () => {
    const [a, b] = [run('a', 3), run('b', 1)].map(([entry]) => historyLine(entry!))
    const merged = parseHistory([a, b, a, ''].join('\n'))
    expect(merged.entries.map(({ id }) => id)).toEqual(['b/here', 'a/here'])
  })

  it('takes in what two benches append at once', async () => {
    const path = join(folder, 'class.jsonl')
    await Promise.all(Array.from({ length: 8 }, (_, index) => appendHistory(path, run(`r${index}`, index + 1))))
    expect((await readHistory(path)).entries).toHaveLength(8)
  })
})

describe('a machine', () => {
  const other = { ...facts, cores: 8, cpu: 'Apple M2' }

  it('has a class that a new kernel does not change, and another CPU does', () => {
    expect(machineClass({ ...facts, kernel: '7.0', load: 9, docker: '29' })).toBe(machineClass(facts))
    expect(machineClass(other)).not.toBe(machineClass(facts))
    expect(machineClass({ ...facts, memoryBytes: facts.memoryBytes - 1_000_000 })).toBe(machineClass(facts))
  })

  it('is told from another by what differs', () => {
    expect(classDifferences(facts, other)).toEqual(['CPU: AMD EPYC here, Apple M2 there', 'cores: 2 here, 8 there'])
    expect(changedFacts(facts, { ...facts, kernel: '6.1' })).toEqual(['kernel: 6.18.44 now, 6.1 then'])
  })
})

describe('a baseline', () => {
  const here = { machine: { ...facts, class: machineClass(facts) }, runtime: 'process', side: 'here' }
  const series = [loopSeries('here', noise(1, 130, 0.1, 150))]

  it('is read from a report, and from lines of history with a torn end', async () => {
    const path = join(folder, 'before.json')
    await writeFile(path, JSON.stringify(madeReport()))
    expect(await readBaseline(path, 'before.json')).toMatchObject({ side: { name: 'before.json' }, runtime: 'process' })
    await writeFile(path, `${historyLine(run('first', 1)[0]!)}\n{"version":1,"id":"torn`)
    expect((await readBaseline(path, 'before.json')).series[0]!.samples).toHaveLength(2)
  })

  it('that is damaged is refused by name', async () => {
    const path = join(folder, 'before.json')
    await writeFile(path, JSON.stringify(madeReport()).slice(0, 5_000))
    await expect(readBaseline(path, 'before.json')).rejects.toMatchObject({ code: 'BENCH_BASELINE', exit: 2 })
  })

  it('of another machine class is compared with by nobody', async () => {
    const path = join(folder, 'before.json')
    const other = { ...facts, cores: 64 }
    await writeFile(path, JSON.stringify(madeReport({ machine: { ...other, class: machineClass(other) } })))
    const { pairs } = pairWith(await readBaseline(path, 'before.json'), series, here)
    expect(compare(pairs)[0]).toMatchObject({
      verdict: 'cannot tell',
      isComparable: false,
      why: 'before.json was measured on another machine: cores: 2 here, 64 there',
    })
  })

  it('of the same class is compared with, and its age and what has changed since are said', async () => {
    const path = join(folder, 'before.json')
    await writeFile(path, JSON.stringify(madeReport({ machine: { ...facts, kernel: '6.1', class: machineClass(facts) } })))
    const { pairs, remarks } = pairWith(await readBaseline(path, 'before.json'), series, here)
    expect(compare(pairs)[0]).toMatchObject({ verdict: 'slower', isInterleaved: false })
    expect(remarks.join('\n')).toMatch(/was measured at 2023-11-14 22:13 UTC and not in turn/)
    expect(remarks.join('\n')).toContain('kernel: 6.18.44 now, 6.1 then')
    const other = series.map((one) => ({ ...one, measure: 'build.file' }))
    const without = pairWith(await readBaseline(path, 'before.json'), other, here)
    expect(without.pairs).toEqual([])
    expect(without.remarks.join('\n')).toMatch(/before\.json holds no build\.file \w+.*: nothing to compare/)
  })

  it('last is the newest whole run of this workspace on this runtime', () => {
    const [first, second, cut] = [run('1', 1), run('2', 2), run('3', 3)].map(([entry]) => entry!)
    const entries = [
      first!,
      second!,
      { ...second!, at: 2.5, isBase: true, side: { name: 'main', measuredAt: 2.5 } },
      { ...cut!, isInterrupted: true },
    ]
    expect(lastOf(entries, 'shop', 'process').side.measuredAt).toBe(2)
    expect(() => lastOf(entries, 'shop', 'kind')).toThrow(expect.objectContaining({ code: 'BENCH_NO_HISTORY' }))
  })
})

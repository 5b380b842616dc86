import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { LoopTrace, saveTime, type Loop } from '../../../src/engine/reload/loop.ts'
import { openLoopLog } from '../../../src/engine/reload/loop-log.ts'

const unexpected = (error: unknown) => expect.unreachable(String(error))
const loop = (id: number): Loop => ({
  id,
  service: 'orders',
  files: ['a.js'],
  fileCount: 1,
  action: 'sync',
  savedAt: 1000,
  spans: [{ name: 'seen', ms: 1 }],
  durationMs: 1,
  outcome: 'served',
  replicas: 1,
  pending: 0,
})

it('spans follow one another from the save on, and add up to the whole', () => {
  const trace = new LoopTrace(1000, 1002.5)
  trace.passed('classified', 1003)
  trace.passed('sent', 1010)
  trace.passed('served', 1040.25)
  expect(trace.spans.map(({ name, ms }) => [name, ms])).toEqual([
    ['seen', 2.5],
    ['classified', 0.5],
    ['sent', 7],
    ['served', 30.25],
  ])
  expect(trace.spans.reduce((sum, { ms }) => sum + ms, 0)).toBe(trace.durationMs)
})

it('a phase noted out of order takes no time away from the others', () => {
  const trace = new LoopTrace(1000, 1005)
  trace.passed('applied', 1003)
  trace.passed('ready', 1006)
  expect(trace.spans.map(({ ms }) => ms)).toEqual([5, 0, 1])
  expect(trace.durationMs).toBe(6)
})

it.each([
  ['just before it was seen', 5000, 4990, 4990],
  ['after it was seen: a clock that stepped', 5000, 5100, 5000],
  ['long ago: an old file was moved in', 5000, 1000, 5000],
  ['unknown: it was deleted', 5000, undefined, 5000],
])('a file time %s', (_title, seenAt, modified, expected) => {
  expect(saveTime(seenAt, modified)).toBe(expected)
})

it('loops outlive the daemon, a line that was cut short is left out, and numbers go on', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'shiv-loops-'))
  const file = join(folder, 'sub', 'loops.jsonl')
  const first = await openLoopLog(file, unexpected)
  first.add(loop(first.nextId()))
  first.add(loop(first.nextId()))
  await first.flushed()
  appendFileSync(file, '{"id":3,"ser')
  const second = await openLoopLog(file, unexpected)
  expect(second.all().map(({ id }) => id)).toEqual([1, 2])
  expect(second.nextId()).toBe(3)
  second.add(loop(3))
  await second.flushed()
  expect((await openLoopLog(file, unexpected)).all().map(({ id }) => id)).toEqual([1, 2, 3])
  expect(readFileSync(file, 'utf8')).toMatch(/\n$/)
  rmSync(folder, { recursive: true })
})

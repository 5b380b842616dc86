import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { LogClock, readTimes } from '../../../src/drivers/process/log-clock.ts'
import { ownerOfLog } from '../../../src/drivers/process/log-files.ts'
import { readLogs } from '../../../src/drivers/process/logs.ts'
import { parseLogLine } from '../../../src/drivers/process/parse-log-line.ts'
import { rotateLog } from '../../../src/drivers/process/rotate-log.ts'
import type { LogLine, RunContext } from '../../../src/engine/ports.ts'
import { until } from './world.ts'

let runDir: string
let file: string
beforeEach(() => {
  runDir = mkdtempSync(join(tmpdir(), 'shiv-logs-'))
  mkdirSync(join(runDir, 'logs'))
  file = join(runDir, 'logs', 'web.1.stdout.log')
})
afterEach(() => rmSync(runDir, { recursive: true, force: true }))

const context = (signal = new AbortController().signal) => ({ runDir, signal }) as RunContext
const owner = { source: 'web', replica: 'web-1', stream: 'stdout' as const }

test('a file tells whose lines it holds', () => {
  expect(ownerOfLog('web.1.stdout.log')).toEqual(owner)
  expect(ownerOfLog('@user-db.stderr.log')).toEqual({ source: 'user-db', replica: 'user-db', stream: 'stderr' })
  expect(ownerOfLog('web-api.mailer.2.stderr.log')).toMatchObject({ source: 'web-api', replica: 'web-api-mailer-2' })
  expect(ownerOfLog('web.1.stdout.log.times')).toBeUndefined()
  expect(ownerOfLog('web.1.stdout.log.1')).toBeUndefined()
})

test('a JSON line brings its own time; another has the time of its arrival', () => {
  expect(parseLogLine('{"time":"2024-01-02T03:04:05.678Z","msg":"x"}', owner, 7)).toMatchObject({
    time: Date.UTC(2024, 0, 2, 3, 4, 5, 678),
    fields: { msg: 'x' },
  })
  expect(parseLogLine('{"ts":1700000000.5}', owner, 7).time).toBe(1_700_000_000_500)
  expect(parseLogLine('{"time":1700000000123}', owner, 7).time).toBe(1_700_000_000_123)
  expect(parseLogLine('{"time":"soon"}', owner, 7).time).toBe(7)
  expect(parseLogLine('{broken', owner, 7)).toEqual({ time: 7, ...owner, text: '{broken' })
})

test('plain lines keep the time at which they came, for a reader that comes later', async () => {
  const clock = new LogClock(runDir)
  const before = Date.now()
  writeFileSync(file, 'first\n')
  await until(() => existsSync(`${file}.times`), 'the first is marked')
  await new Promise((resolve) => setTimeout(resolve, 60))
  const between = Date.now()
  appendFileSync(file, 'second\n')
  await until(() => readFileSync(`${file}.times`, 'utf8').trim().split('\n').length > 1, 'the second is marked')
  clock.close()
  const timeAt = readTimes(file)
  expect(timeAt(0)).toBeGreaterThanOrEqual(before)
  expect(timeAt(0)).toBeLessThan(between)
  expect(timeAt('first\n'.length)).toBeGreaterThanOrEqual(between)
})

test('a log stays bounded, its writer goes on in the same file, and a follower misses nothing of it', async () => {
  const clock = new LogClock(runDir)
  const ending = new AbortController()
  const seen: LogLine[] = []
  writeFileSync(file, 'zero\n')
  const following = (async () => {
    for await (const line of readLogs({ sources: ['web'], follow: true }, context(ending.signal))) seen.push(line)
  })()
  await until(() => seen.length === 1, 'it follows')
  const line = `${'x'.repeat(1024 * 1024 - 1)}\n`
  for (let count = 0; count < 11; count += 1) appendFileSync(file, line)
  await until(() => existsSync(`${file}.1`) && statSync(file).size === 0, 'it is rotated')
  appendFileSync(file, 'last\n')
  await until(() => seen.at(-1)?.text === 'last', 'the follower is past the rotation')
  ending.abort()
  await following
  clock.close()
  expect(seen.map(({ text }) => text.length)).toEqual([4, ...Array.from({ length: 11 }, () => line.length - 1), 4])
  // A reader that comes later sees what is beside the file too.
  const later: LogLine[] = []
  for await (const each of readLogs({ sources: [], follow: false }, context())) later.push(each)
  expect(later).toHaveLength(13)
})

test('a line is given when it is whole; what was rotated can be read until the next rotation', async () => {
  writeFileSync(file, 'whole\nhal')
  const texts = async () => {
    const lines: string[] = []
    for await (const { text } of readLogs({ sources: [], follow: false }, context())) lines.push(text)
    return lines
  }
  expect(await texts()).toEqual(['whole'])
  appendFileSync(file, 'f\n')
  expect(await texts()).toEqual(['whole', 'half'])
  rotateLog(file)
  expect(await texts()).toEqual(['whole', 'half'])
  writeFileSync(file, 'new\n')
  rotateLog(file)
  expect(await texts()).toEqual(['new'])
})

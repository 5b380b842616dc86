import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { runHostCommand } from '../../../src/drivers/process/host-command.ts'
import type { RunEvent } from '../../../src/engine/ports.ts'
import { TestRunner } from '../../../src/engine/reload/test-runner.ts'
import type { ServicePlan } from '../../../src/plan/types.ts'

/** Notes when it begins and when it is over. The first run ends only when it is told to, and takes its time. */
const TESTS = `
const { appendFileSync, existsSync } = require('node:fs')
const isFirst = !existsSync('notes')
const note = (what) => appendFileSync('notes', what + '\\n')
const end = (code) => { note('end'); process.exit(code) }
process.on('SIGTERM', () => setTimeout(end, isFirst ? 1_500 : 0, 1))
note('begin')
setTimeout(end, isFirst ? 60_000 : 50, 0)
`

let root: string
let events: RunEvent[]
let runner: TestRunner
const notes = () => {
  try {
    return readFileSync(join(root, 'notes'), 'utf8').trim().split('\n')
  } catch {
    return []
  }
}

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'shiv-tests-'))
  writeFileSync(join(root, 'tests.cjs'), TESTS)
  events = []
  runner = new TestRunner(runHostCommand, (event) => events.push(event))
})
afterEach(async () => {
  await runner.close()
  rmSync(root, { recursive: true, force: true })
})

it('never runs tests of one service twice at once: the newest save waits for the end of the run before', async () => {
  const service = {
    name: 'orders',
    root,
    language: { process: {} },
    reload: { test: [process.execPath, 'tests.cjs'] },
  } as unknown as ServicePlan
  runner.run(service, process.env)
  await expect.poll(notes).toEqual(['begin'])
  for (let save = 0; save < 5; save++) runner.run(service, process.env)
  await expect.poll(() => events.length, { timeout: 20_000 }).toBe(1)
  expect(notes()).toEqual(['begin', 'end', 'begin', 'end'])
  expect(events[0]).toMatchObject({ kind: 'tests', service: 'orders', passed: true })
})

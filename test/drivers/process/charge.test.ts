import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { identifyProcess } from '../../../src/core/process-identity.ts'
import { isKept, readCharge, recordsInCharge, writeCharge } from '../../../src/drivers/process/charge.ts'
import { readRecords, writeRecord, type ProcessRecord } from '../../../src/drivers/process/records.ts'

let runDir: string
beforeEach(() => {
  runDir = mkdtempSync(join(tmpdir(), 'shiv-charge-'))
})
afterEach(() => rmSync(runDir, { recursive: true, force: true }))

const living = identifyProcess(process.pid)!
const dead = { pid: process.pid, startTime: 'another' }

function record(id: string, more: Partial<ProcessRecord> = {}): ProcessRecord {
  return {
    id,
    kind: 'service',
    source: 'web',
    unit: 'web',
    replica: 'web-1',
    ports: {},
    hash: '',
    stop: { signal: 'SIGTERM', graceMs: 1 },
    since: 0,
    restarts: 0,
    state: 'running',
    identity: living,
    ...more,
  }
}

const chosen = (...records: ProcessRecord[]) => recordsInCharge(runDir, records).chosen.get('web.1')?.id

test('of two that live the one in charge is kept, whichever was read first', () => {
  const [before, after] = [record('web.1'), record('web.1@2')]
  writeCharge(runDir, 'web', { seats: { 'web.1': 'web.1' } })
  expect([chosen(before, after), chosen(after, before)]).toEqual(['web.1', 'web.1'])
  writeCharge(runDir, 'web', { seats: { 'web.1': 'web.1@2' } })
  expect([chosen(before, after), chosen(after, before)]).toEqual(['web.1@2', 'web.1@2'])
  expect(recordsInCharge(runDir, [before, after]).left).toEqual([before])
})

test('one that lives is kept before one in charge that does not', () => {
  writeCharge(runDir, 'web', { seats: { 'web.1': 'web.1@2' } })
  expect(chosen(record('web.1'), record('web.1@2', { identity: dead }))).toBe('web.1')
})

test('one that was ended for its successor is not kept, even while it still lives', () => {
  expect(isKept(record('web.1'))).toBe(true)
  expect(isKept(record('web.1', { state: 'replaced' }))).toBe(false)
  expect(chosen(record('web.1', { state: 'replaced' }), record('web.1@2'))).toBe('web.1@2')
})

test('a charge or a record that is torn says nothing', () => {
  writeRecord(runDir, record('web.1'))
  writeFileSync(join(runDir, 'processes', 'web.1@2.json'), '{"id":')
  writeFileSync(join(runDir, 'processes', 'web.charge'), '{"seats"')
  expect(readRecords(runDir).map(({ id }) => id)).toEqual(['web.1'])
  expect(readCharge(runDir, 'web')).toEqual({ seats: {} })
})

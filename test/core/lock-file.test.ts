import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { acquireLock, readHolder } from '../../src/core/lock-file.ts'
import { identifyProcess, isAlive } from '../../src/core/process-identity.ts'

let folder: string
let path: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'shiv-lock-'))
  path = join(folder, 'lock')
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

test('a lock is held by who is alive, and free after the release', () => {
  const first = acquireLock(path)
  expect(first.held).toBe(true)
  expect(acquireLock(path)).toEqual({ held: false, holder: identifyProcess(process.pid) })
  if (first.held) first.release()
  expect(existsSync(path)).toBe(false)
  expect(acquireLock(path).held).toBe(true)
  expect(readdirSync(folder)).toEqual(['lock'])
})

test('the lock of a dead process is taken over, also when its taker died too', async () => {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'])
  const identity = identifyProcess(child.pid!)!
  child.kill('SIGKILL')
  await new Promise((resolve) => child.once('exit', resolve))
  expect(isAlive(identity)).toBe(false)
  for (const name of ['lock', 'lock.takeover']) writeFileSync(join(folder, name), JSON.stringify(identity))
  expect(acquireLock(path).held).toBe(true)
  expect(readHolder(path)).toEqual(identifyProcess(process.pid))
  expect(readdirSync(folder)).toEqual(['lock'])
})

test('a pid that is alive with another start time does not hold a lock', () => {
  writeFileSync(path, JSON.stringify({ pid: process.pid, startTime: 'another life' }))
  expect(acquireLock(path).held).toBe(true)
})

import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { writeFileAtomic } from '../../src/core/atomic-file.ts'

let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'shiv-atomic-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

test('replaces a file for this user only, and leaves nothing beside it', async () => {
  const path = join(folder, 'state.json')
  await writeFileAtomic(path, 'old')
  await Promise.all(['a', 'b', 'c'].map((text) => writeFileAtomic(path, text)))
  expect(['a', 'b', 'c']).toContain(readFileSync(path, 'utf8'))
  expect(statSync(path).mode & 0o777).toBe(0o600)
  expect(readdirSync(folder)).toEqual(['state.json'])
})

test('a write that fails leaves nothing behind', async () => {
  const path = join(folder, 'taken')
  mkdirSync(join(path, 'full'), { recursive: true })
  await expect(writeFileAtomic(path, 'text')).rejects.toThrow()
  expect(readdirSync(folder)).toEqual(['taken'])
})

import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, test } from 'vitest'
import type { Fault } from '../../src/core/errors.ts'
import { loadPresets, ownPresetsDir } from '../../src/spec/presets.ts'

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'shiv-presets-')))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('every preset that ships is whole, and so is every one that the docs show', async () => {
  const text = readFileSync(fileURLToPath(new URL('../../docs/presets.md', import.meta.url)), 'utf8')
  const shown = [...text.matchAll(/```yaml\n# presets\/(\S+\.yaml)[^\n]*\n([\s\S]*?)```/g)]
  for (const [, path = '', body = ''] of shown) {
    mkdirSync(dirname(join(folder, 'presets', path)), { recursive: true })
    writeFileSync(join(folder, 'presets', path), body)
  }
  const faults: Fault[] = []
  const { languages, databases } = await loadPresets(ownPresetsDir(), folder, faults)
  expect(faults).toEqual([])
  expect([...languages.keys()].sort()).toEqual(['container', 'deno', 'go', 'node', 'python'])
  expect([...databases.keys()].sort()).toEqual(['mongodb', 'mysql', 'postgres', 'redis', 'valkey'])
})

import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { HeldFile } from '../../../src/engine/ports.ts'
import { installedDifference } from '../../../src/engine/reload/installed-files.ts'
import { OverlayBook } from '../../../src/engine/reload/overlay-book.ts'
import { hashText, SourceTree } from '../../../src/engine/reload/source-tree.ts'

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'shiv-installed-'))
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

const write = (path: string, text: string) => {
  mkdirSync(dirname(join(root, path)), { recursive: true })
  writeFileSync(join(root, path), text, { mode: 0o644 })
}
const held = (text: string, mode = 0o644): HeldFile => ({ hash: hashText(text), mode })
const image = (files: Record<string, HeldFile>) => new Map(Object.entries(files))
const difference = async (files: Record<string, HeldFile>, beyond: string[] = []) => {
  const made = new SourceTree(root, () => false)
  made.scan()
  const { taken, gone } = await installedDifference(made, image(files), new Set(beyond))
  return { taken: taken.sort(), gone }
}

describe('what was installed is brought', () => {
  test('as far as the image has it otherwise: bytes, mode, link', async () => {
    for (const path of ['same/a.js', 'other/a.js', 'mode/a.js', 'new/a.js']) write(path, 'x')
    symlinkSync('a.js', join(root, 'same/link'))
    symlinkSync('a.js', join(root, 'other/link'))
    const link = (to: string) => ({ hash: hashText(to), mode: 0o777, link: to })
    const found = await difference({
      'same/a.js': held('x'),
      'same/link': link('a.js'),
      'other/a.js': held('y'),
      'other/link': link('b.js'),
      'mode/a.js': held('x', 0o755),
    })
    expect(found).toEqual({ taken: ['mode/a.js', 'new/a.js', 'other/a.js', 'other/link'], gone: [] })
  })

  test('with what is there no more, and the folders that it leaves empty, inner ones first', async () => {
    write('kept/a.js', 'x')
    const files = { 'kept/a.js': held('x'), 'kept/b.js': held('x'), 'lost/lib/a.js': held('x'), '@own/lost/a.js': held('x') }
    expect(await difference(files)).toEqual({
      taken: [],
      gone: ['kept/b.js', 'lost/lib/a.js', '@own/lost/a.js', '@own/lost', 'lost/lib', 'lost', '@own'],
    })
  })

  test('also where the image has the same, when replicas were given something else meanwhile', async () => {
    write('a.js', 'x')
    expect(await difference({ 'a.js': held('x') }, ['a.js', 'b.js'])).toEqual({ taken: ['a.js'], gone: ['b.js'] })
  })

  test('without what Python compiled of a source that the image has: its time is the image’s', async () => {
    for (const name of ['same', 'other', 'fresh']) {
      write(`p/${name}.py`, 'source')
      write(`p/__pycache__/${name}.cpython-311.pyc`, 'compiled now')
    }
    const found = await difference({
      'p/same.py': held('source'),
      'p/other.py': held('before'),
      'p/__pycache__/same.cpython-311.pyc': held('compiled then'),
      'p/__pycache__/other.cpython-311.pyc': held('compiled then'),
    })
    expect(found.taken).toEqual([
      'p/__pycache__/fresh.cpython-311.pyc',
      'p/__pycache__/other.cpython-311.pyc',
      'p/fresh.py',
      'p/other.py',
    ])
  })
})

test('a book that takes one install after the other ends with what the last one made, and says so again after the daemon', async () => {
  const book = new OverlayBook()
  const inImage = image({ '/app/m/old/a.js': held('x'), '/app/m/kept/a.js': held('x') })
  write('kept/a.js', 'x')
  write('new/a.js', 'x')
  await book.takeInstalled(root, '/app/m', inImage)
  const state = () => Object.fromEntries([...book.overlay].map(([path, { hash }]) => [path, hash]).sort())
  expect(state()).toEqual({ '/app/m/new/a.js': hashText('x'), '/app/m/old': '', '/app/m/old/a.js': '' })

  rmSync(join(root, 'new'), { recursive: true })
  write('old/a.js', 'x')
  await book.takeInstalled(root, '/app/m', inImage)
  expect(state()).toEqual({ '/app/m/new': '', '/app/m/new/a.js': '', '/app/m/old/a.js': hashText('x') })

  const next = new OverlayBook()
  expect(await next.recallInstalled(root, '/app/m', book.below('/app/m'))).toBe(true)
  expect(next.mark).toBe(book.mark)
  expect(await next.recallInstalled(join(root, 'none'), '/app/m', [])).toBe(false)
})

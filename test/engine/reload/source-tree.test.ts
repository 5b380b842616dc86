import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { OverlayBook } from '../../../src/engine/reload/overlay-book.ts'
import { hashFile, hashText, SourceTree } from '../../../src/engine/reload/source-tree.ts'

let root: string
let tree: SourceTree
const write = (path: string, text: string) => {
  mkdirSync(join(root, path, '..'), { recursive: true })
  writeFileSync(join(root, path), text)
}

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'shiv-tree-'))
  tree = new SourceTree(root, (path) => path.split('/').includes('ignored'))
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

it('knows every file that is not ignored, with a hash of its content', async () => {
  write('a.js', 'one')
  write('deep/er/b.js', 'two')
  write('ignored/c.js', 'three')
  expect(tree.scan().sort()).toEqual(['a.js', 'deep/er/b.js'])
  expect(await tree.hash('deep/er/b.js')).toBe(hashText('two'))
  expect(tree.scan()).toEqual([])
})

it('tells a change of content, of mode and of presence, and nothing else', async () => {
  write('a.js', 'one')
  write('b.js', 'one')
  tree.scan()
  write('a.js', 'two!')
  write('new.js', 'new')
  rmSync(join(root, 'b.js'))
  expect(tree.refresh(['a.js', 'b.js', 'new.js', 'never.js']).sort()).toEqual(['a.js', 'b.js', 'new.js'])
  expect(await tree.hash('a.js')).toBe(hashText('two!'))
  expect(await tree.hash('b.js')).toBeUndefined()
  expect(tree.refresh(['a.js', 'b.js', 'new.js'])).toEqual([])
})

it('sees content of the same size that was written within the same second', () => {
  write('a.js', 'one')
  tree.scan()
  const { modifiedMs } = tree.files.get('a.js')!
  write('a.js', 'two')
  utimesSync(join(root, 'a.js'), new Date(modifiedMs + 3), new Date(modifiedMs + 3))
  expect(tree.refresh(['a.js'])).toEqual(['a.js'])
})

it('takes a folder that is named for what is in it: moved in, moved away, turned into a file', () => {
  write('old/x.js', 'x')
  write('old/deep/y.js', 'y')
  tree.scan()
  renameSync(join(root, 'old'), join(root, 'new'))
  expect(tree.refresh(['old', 'new']).sort()).toEqual(['new/deep/y.js', 'new/x.js', 'old/deep/y.js', 'old/x.js'])
  rmSync(join(root, 'new'), { recursive: true })
  write('new', 'a file now')
  expect(tree.refresh(['new']).sort()).toEqual(['new', 'new/deep/y.js', 'new/x.js'])
})

it('keeps a link as a link and does not follow it', async () => {
  write('a.js', 'one')
  symlinkSync('a.js', join(root, 'link.js'))
  symlinkSync('/etc', join(root, 'out'))
  expect(tree.scan().sort()).toEqual(['a.js', 'link.js', 'out'])
  expect(tree.files.get('link.js')!.link).toBe('a.js')
  expect(await tree.hash('link.js')).toBe(hashText('a.js'))
})

it('does not follow a folder that became a link out of the tree', async () => {
  const outside = mkdtempSync(join(tmpdir(), 'shiv-outside-'))
  try {
    write('deep/er/a.js', 'mine')
    tree.scan()
    mkdirSync(join(outside, 'er'))
    writeFileSync(join(outside, 'er/a.js'), 'not mine')
    rmSync(join(root, 'deep'), { recursive: true })
    symlinkSync(outside, join(root, 'deep'))
    expect(await tree.hash('deep/er/a.js')).toBeUndefined()
    expect(tree.differs(['deep/er/a.js'])).toBe(true)
    expect(tree.refresh(['deep/er/a.js', 'deep/er'])).toEqual(['deep/er/a.js'])
    expect(tree.refresh(['deep/er/new.js', 'deep/er'])).toEqual([])
    expect(tree.refresh(['deep'])).toEqual(['deep'])
    expect([...tree.files.keys()]).toEqual(['deep'])
  } finally {
    rmSync(outside, { recursive: true })
  }
})

it('never waits for a pipe: neither a source nor an artefact is one', async () => {
  write('main.js', 'one')
  execFileSync('mkfifo', [join(root, 'pipe')])
  expect(tree.scan()).toEqual(['main.js'])
  expect(await hashFile(join(root, 'pipe'))).toBeUndefined()
  rmSync(join(root, 'main.js'))
  renameSync(join(root, 'pipe'), join(root, 'main.js'))
  expect(await tree.hash('main.js')).toBeUndefined()
  await expect(new OverlayBook().takeArtefact(join(root, 'main.js'), '/app/main.js')).rejects.toThrow(
    /neither a file nor a folder/,
  )
  await expect(new OverlayBook().takeArtefact('/dev/null', '/app/main.js')).rejects.toThrow(/neither a file nor a folder/)
})

it('takes an artefact that is a link as the file that it leads to', async () => {
  write('kept/app-1.2', 'binary')
  symlinkSync('kept/app-1.2', join(root, 'app'))
  const book = new OverlayBook()
  await book.takeArtefact(join(root, 'app'), '/app/app')
  expect(book.overlay.get('/app/app')).toMatchObject({ source: join(root, 'kept/app-1.2'), hash: hashText('binary') })
})

import {
  chmodSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { frameOf } from '../../../src/drivers/sync/frame.ts'
import { inspectSource } from '../../../src/drivers/sync/source.ts'
import { type Replica, busybox, createReplica } from '../../support/replica.ts'
import { type Tree, createTree } from './overlay.ts'

if (busybox === undefined) console.log('skipped: the replica scripts run with a static busybox (none here, and no image of it)')

describe.skipIf(busybox === undefined)('seed.sh', () => {
  let replica: Replica
  let tree: Tree

  beforeEach(() => {
    replica = createReplica({ uid: process.getuid?.() === 0 ? 65532 : undefined })
    tree = createTree(join(replica.home, '../tree'), replica.code)
    mkdirSync(join(replica.image, 'src'))
    writeFileSync(join(replica.image, 'src/main'), 'image')
    writeFileSync(join(replica.image, '.hidden'), 'image')
    writeFileSync(join(replica.image, 'gone'), 'image')
    symlinkSync('src/main', join(replica.image, 'link'))
  })
  afterEach(() => replica.dispose())

  const keep = async () => {
    const files = []
    for (const [path, file] of tree.overlay()) {
      const source = inspectSource(replica.code, path, file)
      if (!('cause' in source)) files.push(source)
    }
    const parts = []
    for await (const part of frameOf(files).chunks()) parts.push(part)
    writeFileSync(join(replica.overlay, 'overlay.tar.gz'), gzipSync(Buffer.concat(parts)))
    writeFileSync(join(replica.overlay, 'mark'), `7 ${tree.mark()}\n`)
  }
  const content = () =>
    Object.fromEntries(
      readdirSync(replica.code, { recursive: true, withFileTypes: true })
        .filter((entry) => !entry.isDirectory())
        .map((entry) => [
          join(entry.parentPath, entry.name).slice(replica.code.length + 1),
          readFileSync(join(entry.parentPath, entry.name), 'utf8'),
        ]),
    )
  const image = { 'src/main': 'image', '.hidden': 'image', gone: 'image', link: 'image' }

  it('fills the code folder with what the image has, times and modes as they are, and can be run again', () => {
    utimesSync(join(replica.image, 'src/main'), 1000, 1000)
    chmodSync(join(replica.image, 'src'), 0o555)
    chmodSync(join(replica.image, 'src/main'), 0o755)
    writeFileSync(join(replica.image, 'unreadable'), '', { mode: 0 })
    replica.seed()
    expect(content()).toEqual(image)
    const { mtimeMs, mode } = statSync(join(replica.code, 'src/main'))
    expect([mtimeMs, mode & 0o700]).toEqual([1_000_000, 0o700])
    writeFileSync(join(replica.code, 'src/left'), 'of an earlier life')
    writeFileSync(join(replica.code, '.left'), 'of an earlier life')
    replica.seed()
    expect(content()).toEqual(image)
    expect(statSync(join(replica.code, 'src')).mode & 0o200).toBe(0o200)
  })

  it('lays the overlay over it and says which one', async () => {
    tree.save('src/main', 'overlay')
    tree.save("it's new\n", 'overlay')
    tree.remove('gone')
    await keep()
    replica.seed()
    replica.seed()
    expect(content()).toEqual({ 'src/main': 'overlay', '.hidden': 'image', link: 'overlay', "it's new\n": 'overlay' })
    expect(readFileSync(join(replica.home, 'mark'), 'utf8')).toBe(`7 ${tree.mark()}\n`)
    expect(readdirSync(replica.code)).not.toContain('.shiv-incoming')
  })

  it('makes new folders writable for their owner alone, and files as they are', async () => {
    tree.save('new/er/file', 'overlay', 0o664)
    tree.save('new/tool', 'overlay', 0o755)
    await keep()
    replica.seed()
    const modes = ['new', 'new/er', 'new/er/file', 'new/tool'].map((path) => statSync(join(replica.code, path)).mode & 0o777)
    expect(modes).toEqual([0o755, 0o755, 0o664, 0o755])
  })

  it('forgets what an earlier life held when no overlay is there any more', async () => {
    tree.save('src/main', 'overlay')
    await keep()
    replica.seed()
    writeFileSync(join(replica.overlay, 'overlay.tar.gz'), '')
    for (const name of ['overlay.tar.gz', 'mark']) rmSync(join(replica.overlay, name))
    replica.seed()
    expect(content()).toEqual(image)
    expect(readdirSync(replica.home)).not.toContain('mark')
  })

  it('lets the service wait where the overlay is too large', () => {
    writeFileSync(join(replica.overlay, 'wait'), '')
    writeFileSync(join(replica.overlay, 'mark'), '7 abc\n')
    replica.seed()
    expect(readdirSync(replica.home)).toContain('wait')
    expect(readdirSync(replica.home)).not.toContain('mark')
  })
})

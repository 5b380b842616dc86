import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { OverlayFile } from '../../../src/engine/ports.ts'
import { openAgent } from '../../../src/drivers/sync/agent.ts'
import { bring } from '../../../src/drivers/sync/bring.ts'
import { SharedFrames } from '../../../src/drivers/sync/shared-frames.ts'
import type { SendableFile } from '../../../src/drivers/sync/source.ts'
import { openFiles } from '../../support/open-files.ts'
import { busybox, createReplica } from '../../support/replica.ts'
import { createTree, held } from './overlay.ts'

describe('SharedFrames', () => {
  let folder: string
  let files: Record<string, OverlayFile>
  beforeEach(() => {
    files = {}
    folder = mkdtempSync(join(tmpdir(), 'shiv-frames-'))
    for (const name of ['a', 'b']) writeFileSync(join(folder, name), `${name} before`)
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  const inspect = (frames: SharedFrames): SendableFile[] =>
    ['a', 'b'].map((name) => {
      files[name] ??= { source: join(folder, name), hash: '', mode: 0o644, sizeBytes: 8 }
      return frames.inspect('/app', `/app/${name}`, files[name]) as SendableFile
    })
  const bytesOf = async (frames: SharedFrames, wanted: SendableFile[]) => {
    const parts: Buffer[] = []
    for await (const part of frames.frame(wanted).chunks()) parts.push(part)
    return Buffer.concat(parts)
  }

  it('looks at each file and reads it once for all containers that want the same', async () => {
    const frames = new SharedFrames()
    const [first, second] = await Promise.all([bytesOf(frames, inspect(frames)), bytesOf(frames, inspect(frames))])
    for (const name of ['a', 'b']) writeFileSync(join(folder, name), `${name} later, and longer`)
    const third = await bytesOf(frames, inspect(frames))
    expect(first.toString()).toContain('a before')
    expect(second.equals(first)).toBe(true)
    expect(third.equals(first)).toBe(true)
  })

  it('gives a container that wants something else its own, and after its end everybody', async () => {
    const frames = new SharedFrames()
    const both = inspect(frames)
    await bytesOf(frames, both)
    for (const name of ['a', 'b']) writeFileSync(join(folder, name), `${name} after!`)
    expect((await bytesOf(frames, [both[1]!])).toString()).toContain('b after!')
    const laterByASecond = both.map((file) => ({ ...file, mtime: file.mtime + 1 }))
    expect((await bytesOf(frames, laterByASecond)).toString()).toContain('a after!')
    expect((await bytesOf(frames, both)).toString()).toContain('a before')
    frames.close()
    expect((await bytesOf(frames, both)).toString()).toContain('a after!')
  })

  it('who reads on after its end, or begins then, gets the whole; nothing stays open when all have left', async () => {
    writeFileSync(join(folder, 'a'), 'x'.repeat(1_000_000))
    const frames = new SharedFrames()
    const frame = frames.frame(inspect(frames))
    const [slow, late, leaver] = [frame.chunks(), frame.chunks(), frame.chunks()]
    const first = await slow.next()
    await leaver.next()
    const opened = () => openFiles('self').filter((file) => file === join(folder, 'a'))
    if (process.platform === 'linux') expect(opened()).toHaveLength(1)
    frames.close()
    await leaver.return(undefined)
    const sizeOf = async (chunks: AsyncGenerator<Buffer>) => {
      let size = 0
      for await (const part of chunks) size += part.length
      return size
    }
    expect(first.value!.length + (await sizeOf(slow))).toBe(frame.sizeBytes)
    expect(await sizeOf(late)).toBe(frame.sizeBytes)
    const again = new SharedFrames()
    const left = again.frame(inspect(again)).chunks()
    await left.next()
    await left.return(undefined)
    again.close()
    if (process.platform === 'linux') await expect.poll(opened).toEqual([])
  })

  it.skipIf(busybox === undefined)(
    'a file that is gone when its turn comes is refused with its cause, and the others are brought',
    async () => {
      const replica = createReplica()
      try {
        const tree = createTree(join(replica.home, '../tree'), replica.code)
        for (const name of ['stays.txt', 'goes.txt', 'deep/stays.txt']) tree.save(name, `${name}\n`.repeat(20_000))
        replica.run(['/bin/sleep', '1000'])
        const agent = await openAgent(replica.connect())
        const frames = new SharedFrames()
        const overlay = tree.overlay()
        const gone = join(replica.code, 'goes.txt')
        frames.inspect(replica.code, gone, overlay.get(gone)!)
        rmSync(overlay.get(gone)!.source!)
        const wish = { root: replica.code, overlay, mark: tree.mark(), sequence: 1 }
        const { refused, taken } = await bring(agent, wish, new Map(), new Map(), undefined, frames)
        expect([...refused]).toEqual([[gone, 'it is gone here']])
        expect(taken.map(({ path }) => path).sort()).toEqual(
          ['deep/stays.txt', 'stays.txt'].map((name) => join(replica.code, name)),
        )
        expect(held(replica.code, tree)).toEqual(
          new Map([...tree.files].map(([path, hash]) => [path, path === 'goes.txt' ? undefined : hash])),
        )
      } finally {
        await replica.dispose()
      }
    },
  )
})

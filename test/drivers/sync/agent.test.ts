import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  readdirSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Agent, openAgent } from '../../../src/drivers/sync/agent.ts'
import { frameOf } from '../../../src/drivers/sync/frame.ts'
import { type SendableFile, inspectSource } from '../../../src/drivers/sync/source.ts'
import { type Replica, busybox, createReplica, isAlive } from '../../support/replica.ts'
import { type Tree, createTree, held } from './overlay.ts'

if (busybox === undefined) console.log('skipped: the replica scripts run with a static busybox (none here, and no image of it)')
const root = process.getuid?.() === 0

const NASTY = [
  'a b.txt',
  "quote'.txt",
  'double".txt',
  'new\nline.txt',
  '-rf',
  '--help',
  '.env',
  '..data',
  '.',
  '$(touch x)',
  '`id`;&|<>*?[a]\\.txt',
  'ünï/çødé/日本.txt',
  ' lead',
  'trail ',
  'tab\t.txt',
  '*',
  `${'n'.repeat(200)}.txt`,
  `${'d'.repeat(90)}/${'e'.repeat(90)}/f`,
  '%s%n',
].filter((name) => name !== '.')

describe.skipIf(busybox === undefined)('agent.sh', () => {
  let replica: Replica
  let tree: Tree
  let agent: Agent
  let sequence = 0

  beforeEach(() => {
    replica = createReplica()
    tree = createTree(join(replica.home, '../tree'), replica.code)
    sequence = 0
  })
  afterEach(() => replica.dispose())

  const begin = async (command = ['/bin/sleep', '1000'], env = {}) => {
    const service = replica.run(command, env)
    await expect.poll(() => existsSync(join(replica.home, 'run'))).toBe(true)
    agent = await openAgent(replica.connect())
    return service
  }
  const sendable = async (paths?: string[]) => {
    const files: SendableFile[] = []
    for (const [path, file] of tree.overlay()) {
      if (paths !== undefined && !paths.some((wanted) => join(replica.code, wanted) === path)) continue
      const found = inspectSource(replica.code, path, file)
      if ('cause' in found) throw new Error(`${path}: ${found.cause}`)
      files.push(found)
    }
    return files
  }
  const apply = async (paths?: string[]) => agent.apply(++sequence, tree.mark(), frameOf(await sendable(paths)))
  const mark = () => readFileSync(join(replica.home, 'mark'), 'utf8').trim()

  it('says what the replica holds and runs', async () => {
    await begin()
    expect(agent.hello).toMatchObject({ sequence: 0, mark: undefined, condition: 'running', running: 0 })
    expect(isAlive(agent.hello.pid)).toBe(true)
    expect(agent.hello.boot).toBe(readFileSync(join(replica.home, 'boot'), 'utf8').trim())
  })

  it('puts files, whatever they are called, with their modes; deletes; leaves nothing aside', async () => {
    await begin()
    for (const name of NASTY) tree.save(name, `content of ${name}\0\xff`)
    tree.save('run me', '#!/bin/sh\n', 0o755)
    tree.save('secret', 'x', 0o600)
    tree.link('sub/link', '../a b.txt')
    expect(await apply()).toEqual({ refused: new Map() })
    expect(held(replica.code, tree)).toEqual(tree.files)
    expect(statSync(join(replica.code, 'run me')).mode & 0o777).toBe(0o755)
    expect(statSync(join(replica.code, 'secret')).mode & 0o777).toBe(0o600)
    expect(readlinkSync(join(replica.code, 'sub/link'))).toBe('../a b.txt')
    expect(mark()).toBe(`1 ${tree.mark()}`)

    for (const name of NASTY) tree.remove(name)
    tree.save('kept', 'here')
    expect(await apply()).toEqual({ refused: new Map() })
    expect(held(replica.code, tree)).toEqual(tree.files)
    const left = readdirSync(join(replica.code, '.shiv-incoming'), { recursive: true, withFileTypes: true })
    expect(
      left
        .filter((entry) => entry.isFile())
        .map(({ name }) => name)
        .sort(),
    ).toEqual(['t', 'x'])
  })

  it('makes new folders writable for their owner alone, and nobody else sees what is on its way', async () => {
    await begin()
    tree.save('one/er/file', 'x', 0o664)
    await apply()
    tree.save('two/er/file', 'x', 0o666)
    tree.save('two/other', 'x', 0o755)
    await apply(['two/er/file', 'two/other'])
    const mode = (path: string) => statSync(join(replica.code, path)).mode & 0o777
    expect(['one', 'one/er', 'two', 'two/er'].map(mode)).toEqual([0o755, 0o755, 0o755, 0o755])
    expect(['one/er/file', 'two/er/file', 'two/other'].map(mode)).toEqual([0o664, 0o666, 0o755])
    expect(mode('.shiv-incoming')).toBe(0o700)
  })

  it('puts a single file without a tar around it, whatever it is called, and refuses it with its cause', async () => {
    await begin()
    for (const name of NASTY) {
      tree.save(name, `alone in ${name}\0`, 0o640)
      expect(await apply([name])).toEqual({ refused: new Map() })
    }
    tree.save('empty', '')
    await apply(['empty'])
    expect(held(replica.code, tree)).toEqual(tree.files)
    expect(statSync(join(replica.code, '.env')).mode & 0o777).toBe(0o640)
    mkdirSync(join(replica.code, 'taken/by'), { recursive: true })
    writeFileSync(join(replica.code, 'taken/by/file'), '')
    writeFileSync(join(replica.code, 'blocker'), '')
    tree.save('taken', 'x')
    expect([...(await apply(['taken'])).refused]).toEqual([['./taken', 'it is a folder']])
    tree.save('blocker/x', 'x')
    expect([...(await apply(['blocker/x'])).refused.keys()]).toEqual(['./blocker/x'])
    await agent.ping()
  })

  it('replaces by renaming: who has the old file open goes on reading it', async () => {
    await begin()
    tree.save('big', 'old'.repeat(1000))
    await apply()
    const before = statSync(join(replica.code, 'big')).ino
    tree.save('big', 'new'.repeat(1000))
    await apply()
    const between = statSync(join(replica.code, 'big')).ino
    tree.save('big', 'newest')
    tree.save('another', 'that makes a tar of it')
    await apply()
    expect(new Set([before, between, statSync(join(replica.code, 'big')).ino]).size).toBe(3)
  })

  it('turns files into folders and folders into files', async () => {
    await begin()
    tree.save('a', 'file')
    tree.save('b/c/d', 'deep')
    await apply()
    tree.remove('a')
    tree.save('a/x', 'now inside')
    tree.remove('b/c/d')
    tree.save('b', 'now a file')
    expect(await apply(['a', 'a/x', 'b/c/d', 'b'])).toEqual({ refused: new Map() })
    expect(readFileSync(join(replica.code, 'a/x'), 'utf8')).toBe('now inside')
    expect(readFileSync(join(replica.code, 'b'), 'utf8')).toBe('now a file')
  })

  it('refuses a file with its cause and puts the others in their place', async () => {
    await begin()
    mkdirSync(join(replica.code, 'taken/by'), { recursive: true })
    writeFileSync(join(replica.code, 'taken/by/file'), '')
    writeFileSync(join(replica.code, 'blocker'), '')
    for (const name of ['taken', 'fine', '.dot', 'blocker/x']) tree.save(name, name)
    const { refused } = await apply()
    expect([...refused]).toEqual([
      ['./taken', 'it is a folder'],
      ['./blocker/x', expect.stringMatching(/File exists|Not a directory/)],
    ])
    expect(readFileSync(join(replica.code, 'fine'), 'utf8')).toBe('fine')
    expect(readFileSync(join(replica.code, '.dot'), 'utf8')).toBe('.dot')
    expect(mark()).toBe('1 -')
    execFileSync('rm', ['-r', join(replica.code, 'taken'), join(replica.code, 'blocker')])
    expect(await apply()).toEqual({ refused: new Map() })
    expect(held(replica.code, tree)).toEqual(tree.files)
    expect(mark()).toBe(`2 ${tree.mark()}`)
  })

  it.skipIf(!root)('refuses what the user of the service may not write', async () => {
    replica.dispose()
    replica = createReplica({ uid: 65532 })
    tree = createTree(join(replica.home, '../tree'), replica.code)
    await begin()
    for (const name of ['shut', 'shut/in']) mkdirSync(join(replica.code, name))
    writeFileSync(join(replica.code, 'shut/old'), 'old')
    chmodSync(join(replica.code, 'shut'), 0o555)
    tree.save('shut/new', 'new')
    tree.save('open', 'open')
    tree.remove('shut/old')
    const { refused } = await apply()
    expect([...refused].sort()).toEqual([
      ['./shut/new', 'Permission denied'],
      ['./shut/old', 'Permission denied'],
    ])
    expect(readFileSync(join(replica.code, 'open'), 'utf8')).toBe('open')
  })

  it.skipIf(!root)('leaves everything as it was when the disk is full', async () => {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', replica.code])
    try {
      await begin()
      tree.save('kept', 'k'.repeat(50_000))
      expect(await apply()).toEqual({ refused: new Map() })
      const old = tree.files.get('kept')
      tree.save('kept', 'K'.repeat(400_000))
      expect(await apply()).toEqual({ refused: new Map(), broken: 'No space left on device' })
      tree.files.set('kept', old)
      expect(held(replica.code, tree)).toEqual(tree.files)
      tree.save('kept', 'small')
      expect(await apply()).toEqual({ refused: new Map() })
      expect(held(replica.code, tree)).toEqual(tree.files)
    } finally {
      execFileSync('umount', ['-l', replica.code])
    }
  })

  it('takes nothing of a frame whose file shrank while it was read, and goes on', async () => {
    await begin()
    tree.save('shrinks', 's'.repeat(1000))
    tree.save('other', 'o')
    const frame = frameOf(await sendable())
    writeFileSync(join(dirname(replica.home), 'tree/shrinks'), 'short')
    expect(await agent.apply(1, 'x', frame)).toMatchObject({ broken: expect.any(String) })
    expect(readdirSync(replica.code)).toEqual([])
    tree.save('shrinks', 'short')
    expect(await apply()).toEqual({ refused: new Map() })
  })

  it.each(['apply 2 b 4096\n', 'put 2 b 4096 0022\n./kept\0'])(
    'claims to hold nothing while it is at work (%j)',
    async (head) => {
      await begin()
      tree.save('kept', 'k')
      await apply()
      expect(mark()).toBe(`1 ${tree.mark()}`)
      const transport = replica.connect()
      await openAgent(transport)
      await transport.write(Buffer.from(head))
      await expect.poll(mark).toBe('')
      expect(readFileSync(join(replica.code, 'kept'), 'utf8')).toBe('k')
    },
  )

  it('hashes many files, and tells those that are not there', async () => {
    await begin()
    for (let n = 0; n < 1200; n++) tree.save(`f/${n}\n$`, String(n))
    await apply()
    const paths = [...tree.files.keys()]
    const hashes = await agent.hashes([...paths, 'missing', 'f'])
    expect(hashes).toEqual(tree.files)
  })

  it('answers while other things are at work', async () => {
    await begin()
    await Promise.all(Array.from({ length: 20 }, () => agent.ping()))
  })

  it('ends a former agent, so that there is one', async () => {
    await begin()
    const second = await openAgent(replica.connect())
    expect(await agent.closed).toContain('the agent ended')
    await second.ping()
    expect(existsSync(join(replica.code, '.shiv-incoming'))).toBe(false)
  })

  it('is gone with its stream, and what it started with it', async () => {
    await begin()
    const { pid } = { pid: Number(readFileSync(join(replica.home, 'agent'), 'utf8')) }
    agent.close()
    await agent.closed
    expect(isAlive(pid)).toBe(false)
    const words = execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' })
    expect(words).not.toContain(join(replica.home, 'agent.sh'))
  })
  it('keeps links as they are', async () => {
    await begin()
    tree.link('to', 'nowhere/yet')
    await apply()
    expect(lstatSync(join(replica.code, 'to')).isSymbolicLink()).toBe(true)
  })
})

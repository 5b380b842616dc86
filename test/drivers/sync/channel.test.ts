import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Channel, type ChannelOptions, type Wish, createChannel } from '../../../src/drivers/sync/channel.ts'
import type { Transport } from '../../../src/drivers/sync/transport.ts'
import { type Replica, type Supervised, busybox, createReplica } from '../../support/replica.ts'
import { type Tree, createTree, held } from './overlay.ts'

if (busybox === undefined) console.log('skipped: the replica scripts run with a static busybox (none here, and no image of it)')

/** A small disk is a mount, which a machine lets its root make, and a container mostly not. */
const canMount = process.getuid?.() === 0 && spawnSync('unshare', ['-m', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt']).status === 0

/** Writes at each start what its code says. */
const LOOP = `exec sleep 1000`

describe.skipIf(busybox === undefined)('a channel', () => {
  let replica: Replica
  let tree: Tree
  let channel: Channel
  let service: Supervised
  let transports: ReturnType<Replica['connect']>[]
  let isReachable: boolean
  let crashes: number[]
  let sequence: number

  beforeEach(async () => {
    replica = createReplica()
    tree = createTree(join(replica.home, '../tree'), replica.code)
    transports = []
    isReachable = true
    crashes = []
    sequence = 0
    writeFileSync(join(replica.code, 'main.sh'), `echo image; ${LOOP}`)
    service = replica.run(['/bin/sh', 'main.sh'])
    await expect.poll(() => existsSync(join(replica.home, 'run'))).toBe(true)
    channel = open()
  })
  afterEach(() => {
    channel.close()
    replica.dispose()
  })

  const open = (options: Partial<ChannelOptions> = {}) =>
    createChannel({
      root: replica.code,
      retryMs: 100,
      patienceMs: 1_000,
      onCrash: (code) => crashes.push(code),
      async connect(): Promise<Transport> {
        if (!isReachable) throw new Error('nobody is there')
        const transport = replica.connect()
        transports.push(transport)
        return transport
      },
      ...options,
    })
  const wish = (how = 'process'): Wish => ({ overlay: tree.overlay(), mark: tree.mark(), sequence: ++sequence, how, seconds: 20 })
  const bring = async (how?: string) => {
    const next = wish(how)
    const put = await channel.put(next)
    return { put, run: put.state === 'held' ? await channel.start(next) : undefined }
  }
  const killAgent = () => transports.at(-1)?.process.kill('SIGKILL')
  const lines = () => service.output().trim().split('\n')

  const holdsAll = () => expect.poll(() => held(replica.code, tree), { timeout: 10_000, interval: 20 }).toEqual(tree.files)

  it('brings what differs, runs it, and knows what is held', async () => {
    tree.save('main.sh', `echo one; ${LOOP}`)
    expect(await bring()).toEqual({ put: { state: 'held', refused: [] }, run: { state: 'ready', pid: expect.any(Number) } })
    expect(lines()).toEqual(['image', 'one'])
    expect(channel.held).toEqual({ mark: tree.mark(), sequence: 1, running: 1 })
  })

  it('sends nothing that is there already', async () => {
    for (let n = 0; n < 10; n++) tree.save(`f${n}`, String(n))
    await bring('none')
    rmSync(join(replica.code, 'f3'))
    tree.save('f4', 'new')
    await bring('none')
    expect(existsSync(join(replica.code, 'f3'))).toBe(false)
    expect(readFileSync(join(replica.code, 'f4'), 'utf8')).toBe('new')
  })

  it('finds out by hashes what a container holds that another daemon filled', async () => {
    for (let n = 0; n < 10; n++) tree.save(`f${n}`, String(n))
    await bring('none')
    channel.close()
    await expect.poll(() => transports.at(-1)?.process.exitCode).not.toBeNull()
    rmSync(join(replica.code, 'f3'))
    writeFileSync(join(replica.code, 'f4'), 'spoiled')
    tree.save('f5', 'newer')
    channel = open()
    await bring('none')
    expect(held(replica.code, tree)).toEqual(tree.files)
  })

  it('goes on over a new stream when the agent was killed, and asks for nothing when the mark tells all', async () => {
    tree.save('main.sh', `echo one; ${LOOP}`)
    await bring()
    channel.converge(wish())
    await expect.poll(() => channel.held?.running).toBe(2)
    killAgent()
    await expect.poll(() => transports.length).toBe(2)
    await expect.poll(() => channel.held).toEqual({ mark: tree.mark(), sequence: 2, running: 2 })
    tree.save('main.sh', `echo two; ${LOOP}`)
    expect((await bring()).run).toMatchObject({ state: 'ready' })
    expect(lines().at(-1)).toBe('two')
  })

  it('says that a container cannot be reached, and brings it all when it can be', async () => {
    await expect.poll(() => channel.held).toBeDefined()
    isReachable = false
    killAgent()
    await expect.poll(() => channel.held).toBeUndefined()
    tree.save('main.sh', `echo later; ${LOOP}`)
    const next = wish()
    expect(await channel.put(next)).toEqual({ state: 'pending', cause: 'nobody is there' })
    channel.converge(next)
    isReachable = true
    channel.nudge()
    await expect.poll(() => lines().at(-1), { timeout: 10_000 }).toBe('later')
    await holdsAll()
  })

  it('opens another stream where one hangs before it is open, or says nothing', async () => {
    channel.close()
    transports = []
    let attempts = 0
    let isSilentClosed = false
    const hanging: Transport = {
      write: async () => {},
      onData: () => {},
      closed: new Promise(() => {}),
      close: () => (isSilentClosed = true),
    }
    channel = open({
      greetingMs: 50,
      connect: async (signal) => {
        attempts += 1
        if (attempts === 1)
          return new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('given up'))))
        return attempts === 2 ? hanging : replica.connect()
      },
    })
    tree.save('main.sh', `echo greeted; ${LOOP}`)
    channel.converge(wish())
    await expect.poll(() => lines().at(-1), { timeout: 10_000 }).toBe('greeted')
    expect(isSilentClosed).toBe(true)
  })

  it.each(['before it is reached', 'after it was reached'])(
    'converges a container that was given higher numbers by another clock, told %s',
    async (when) => {
      sequence = 1_000_000
      tree.save('main.sh', `echo future; ${LOOP}`)
      await bring()
      expect(lines().at(-1)).toBe('future')
      channel.close()
      await expect.poll(() => transports.at(-1)?.process.exitCode).not.toBeNull()
      sequence = 0
      channel = open()
      if (when === 'after it was reached') await expect.poll(() => channel.held).toBeDefined()
      tree.save('main.sh', `echo now; ${LOOP}`)
      expect(await bring()).toMatchObject({ put: { state: 'held' }, run: { state: 'ready' } })
      expect(lines().at(-1)).toBe('now')
      await holdsAll()
      expect(channel.held).toEqual({ mark: tree.mark(), sequence: 1, running: 1 })
      tree.save('main.sh', `echo next; ${LOOP}`)
      await bring()
      expect(lines().at(-1)).toBe('next')
    },
  )

  it('knows what runs by its files where only the numbers are of another clock', async () => {
    sequence = 1_000_000
    tree.save('main.sh', `echo same; ${LOOP}`)
    await bring()
    channel.close()
    await expect.poll(() => transports.at(-1)?.process.exitCode).not.toBeNull()
    sequence = 0
    channel = open()
    channel.converge(wish())
    await expect.poll(() => channel.held).toEqual({ mark: tree.mark(), sequence: 1, running: 1 })
    expect(lines()).toEqual(['image', 'same'])
    tree.save('main.sh', `echo next; ${LOOP}`)
    await bring()
    expect(lines().at(-1)).toBe('next')
  })

  it('tries refused files again, and starts what they bring', async () => {
    mkdirSync(join(replica.code, 'main2.sh/full'), { recursive: true })
    writeFileSync(join(replica.code, 'main2.sh/full/file'), '')
    tree.save('main2.sh', 'echo second')
    tree.save('main.sh', `. ./main2.sh; ${LOOP}`)
    const next = wish()
    const refused = [{ path: join(replica.code, 'main2.sh'), cause: 'it is a folder' }]
    expect(await channel.put(next)).toEqual({ state: 'held', refused })
    await channel.start(next)
    channel.converge(next)
    rmSync(join(replica.code, 'main2.sh'), { recursive: true })
    await expect.poll(() => lines().at(-1), { timeout: 10_000 }).toBe('second')
    expect(channel.held?.mark).toBe(tree.mark())
  })

  it('begins a service that waits for its files once, and starts it anew with what comes later over the same stream', async () => {
    replica.dispose()
    replica = createReplica()
    writeFileSync(join(replica.home, 'wait'), '')
    service = replica.run(['/bin/sh', 'main.sh'])
    tree = createTree(join(replica.home, '../tree'), replica.code)
    channel.close()
    channel = open()
    tree.save('main.sh', `echo first; ${LOOP}`)
    channel.converge(wish())
    await expect.poll(lines).toEqual(['first'])
    const streams = transports.length
    tree.save('main.sh', `echo second; ${LOOP}`)
    expect((await bring()).run).toMatchObject({ state: 'ready' })
    expect(lines()).toEqual(['first', 'second'])
    expect(transports.length).toBe(streams)
  })

  it('refuses sources that cannot be sent, each with its cause', async () => {
    tree.save('fine', 'x')
    tree.link('inside', 'fine')
    tree.link('sub/up', '../fine')
    tree.link('outside', '../../etc/passwd')
    tree.link('far', '/etc/passwd')
    tree.save('gone', 'x')
    rmSync(join(replica.home, '../tree/gone'))
    tree.save('bad\ufffdname', 'x')
    for (const name of ['pipe', 'turned']) {
      tree.save(name, 'x')
      rmSync(join(replica.home, '../tree', name))
    }
    execFileSync('mkfifo', [join(replica.home, '../tree/pipe')])
    symlinkSync('/etc/passwd', join(replica.home, '../tree/turned'))
    const overlay = new Map(tree.overlay())
    const one = { source: join(replica.home, '../tree/fine'), hash: 'x', mode: 0o644, sizeBytes: 1 }
    overlay.set('/elsewhere/file', one)
    overlay.set(join(replica.code, '../up'), one)
    const put = await channel.put({ ...wish('none'), overlay })
    const causes = put.state === 'held' ? new Map(put.refused.map(({ path, cause }) => [path, cause])) : new Map()
    expect(Object.fromEntries(causes)).toEqual({
      [join(replica.code, 'outside')]: 'it is a link that leaves the code folder: ../../etc/passwd',
      [join(replica.code, 'far')]: 'it is a link that leaves the code folder: /etc/passwd',
      [join(replica.code, 'gone')]: 'it is gone here',
      [join(replica.code, 'pipe')]: 'it is not a plain file here',
      [join(replica.code, 'turned')]: 'it is a link here',
      [join(replica.code, 'bad\ufffdname')]: 'its name is not UTF-8',
      '/elsewhere/file': `it would be outside of the code folder ${replica.code}`,
      [join(replica.code, '../up')]: `it would be outside of the code folder ${replica.code}`,
    })
    expect(readFileSync(join(replica.code, 'fine'), 'utf8')).toBe('x')
  })

  it.skipIf(!canMount)('says that a disk is full, brings what fits, and the rest when there is room', async () => {
    channel.close()
    replica.dispose()
    replica = createReplica()
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', replica.code])
    try {
      tree = createTree(join(replica.home, '../tree'), replica.code)
      writeFileSync(join(replica.code, 'ballast'), Buffer.alloc(6 << 20))
      writeFileSync(join(replica.code, 'main.sh'), `echo image; ${LOOP}`)
      service = replica.run(['/bin/sh', 'main.sh'])
      await expect.poll(() => existsSync(join(replica.home, 'run'))).toBe(true)
      channel = open()
      tree.save('large', Buffer.alloc(4 << 20, 'x'))
      tree.save('main.sh', `echo fits; ${LOOP}`)
      const next = wish()
      const cause = expect.stringMatching(/no space left/i)
      expect(await channel.put(next)).toEqual({ state: 'held', refused: [{ path: join(replica.code, 'large'), cause }] })
      await channel.start(next)
      expect(lines().at(-1)).toBe('fits')
      expect(channel.held?.mark).toBeUndefined()
      channel.converge(next)
      rmSync(join(replica.code, 'ballast'))
      await holdsAll()
      await expect.poll(() => channel.held?.mark).toBe(tree.mark())
    } finally {
      channel.close()
      execFileSync('umount', ['-l', replica.code])
    }
  })

  it('answers a start that a newer one overtakes by what becomes of the newer one', async () => {
    channel.close()
    replica.dispose()
    replica = createReplica()
    tree = createTree(join(replica.home, '../tree'), replica.code)
    writeFileSync(join(replica.code, 'main.sh'), LOOP)
    // Nothing ever listens there.
    service = replica.run(['/bin/sh', 'main.sh'], { SHIV_HEALTH_PORT: '1' })
    channel = open()
    const first = { ...wish(), seconds: 600 }
    await channel.put(first)
    let isStarted = false
    const overtaken = channel.start(first, () => (isStarted = true))
    await expect.poll(() => isStarted).toBe(true)
    tree.save('main.sh', `echo newer; ${LOOP}`)
    const second = { ...wish(), seconds: 1 }
    await channel.put(second)
    const answer = { state: 'failed', cause: 'it is not healthy: nothing listens on port 1' }
    expect(await channel.start(second)).toEqual(answer)
    expect(await overtaken).toEqual(answer)
  })

  it('lets the newest wish overtake those that were not sent', async () => {
    const puts = []
    for (let n = 1; n <= 50; n++) {
      tree.save('main.sh', `echo n${n}; ${LOOP}`)
      puts.push(channel.put(wish()))
    }
    const all = await Promise.all(puts)
    expect(new Set(all.map(({ state }) => state))).toEqual(new Set(['held']))
    await channel.start({ ...wish(), sequence: 50 })
    expect(lines().at(-1)).toBe('n50')
    expect(lines().length).toBeLessThan(10)
  })

  it('sends again what is not on the disk as it was sent', async () => {
    tree.save('main.sh', `sum=$(cat data); echo "$sum"; ${LOOP}`)
    tree.save('data', 'right')
    const next = wish()
    await channel.put(next)
    writeFileSync(join(replica.code, 'data'), 'wrong')
    expect(await channel.start(next)).toMatchObject({ state: 'ready' })
    await expect.poll(() => lines().at(-1), { timeout: 10_000 }).toBe('right')
    await holdsAll()
  })

  it('tells of a service that ended by itself', async () => {
    tree.save('main.sh', `echo one; ${LOOP}`)
    const { run } = await bring()
    process.kill((run as { pid: number }).pid, 'SIGKILL')
    await expect.poll(() => crashes).toEqual([137])
  })

  it('sends 200 MB in constant memory', async () => {
    const source = join(replica.home, '../tree/big')
    mkdirSync(join(replica.home, '../tree'), { recursive: true })
    execFileSync('dd', ['if=/dev/urandom', `of=${source}`, 'bs=1M', 'count=200'], { stdio: 'ignore' })
    const hash = execFileSync('sha256sum', [source], { encoding: 'utf8' }).slice(0, 64)
    const overlay = new Map([[join(replica.code, 'big'), { source, hash, mode: 0o644, sizeBytes: 200 << 20 }]])
    await expect.poll(() => channel.held).toBeDefined()
    const before = process.memoryUsage().rss
    let most = 0
    const sampling = setInterval(() => (most = Math.max(most, process.memoryUsage().rss)), 10)
    expect(await channel.put({ ...wish('none'), overlay })).toEqual({ state: 'held', refused: [] })
    clearInterval(sampling)
    expect(execFileSync('sha256sum', [join(replica.code, 'big')], { encoding: 'utf8' }).slice(0, 64)).toBe(hash)
    expect(most - before).toBeLessThan(100 << 20)
  }, 120_000)

  it('loses no edit, whenever the agent is killed', async () => {
    const name = fc.constantFrom('a', 'b', 'd/a', 'd/e/b', "it's", 'new\nline', '.env', '-n', 'd/..x', 'ü', 'f', 'f/g')
    const edit = fc.oneof(
      fc.record({ do: fc.constant('save' as const), name, content: fc.string() }),
      fc.record({ do: fc.constant('remove' as const), name }),
      fc.record({ do: fc.constant('put' as const), killAfterMs: fc.option(fc.integer({ min: 0, max: 25 })) }),
    )
    let clock = 0
    const property = fc.asyncProperty(fc.array(edit, { minLength: 5, maxLength: 25 }), async (edits) => {
      for (const step of edits) {
        if (step.do === 'put') {
          const putting = channel.put(wish('none'))
          if (step.killAfterMs !== null) {
            await sleep(step.killAfterMs)
            killAgent()
          }
          if (clock++ % 3 === 0) await putting
        } else if (step.do === 'remove') tree.remove(step.name)
        else if (!clashes(tree, step.name)) tree.save(step.name, step.content)
      }
      const last = wish('none')
      while ((await channel.put(last)).state !== 'held') await sleep(5)
      await channel.start(last)
      expect(held(replica.code, tree)).toEqual(tree.files)
    })
    await fc.assert(property, { numRuns: 10, endOnFailure: true })
  }, 240_000)
})

/** A file and a folder of one name cannot be saved both. */
function clashes(tree: Tree, name: string): boolean {
  const other = name === 'f' ? 'f/g' : name === 'f/g' ? 'f' : undefined
  return other !== undefined && tree.files.get(other) !== undefined
}

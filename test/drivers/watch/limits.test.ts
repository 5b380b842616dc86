import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { accessSync, constants, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { build } from 'esbuild'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { WatchBatch, WatchWarning } from '../../../src/engine/ports.ts'
import { Heard, until } from '../../contract/watcher.ts'

const base = realpathSync(mkdtempSync(join(tmpdir(), 'shiv-limits-')))
const program = join(base, 'child.mjs')
let root: string
let child: Child | undefined

beforeAll(async () => {
  const entry = join(import.meta.dirname, '../../support/watch-child.ts')
  await build({ entryPoints: [entry], outfile: program, bundle: true, platform: 'node', format: 'esm', logLevel: 'warning' })
})
beforeEach(() => {
  root = mkdtempSync(join(base, 'root-'))
})
afterEach(() => child?.end())
afterAll(() => rmSync(base, { recursive: true, force: true }))

type Answer = { batch?: WatchBatch; warning?: WatchWarning; error?: string } & Record<string, unknown>

/** `watch-child.ts`, and what it told. */
class Child extends Heard {
  private readonly process: ChildProcess
  private readonly answers: Answer[] = []

  constructor(command: string[]) {
    super()
    const [file = '', ...words] = [...command, process.execPath, program]
    this.process = spawn(file, words, { stdio: ['pipe', 'pipe', 'inherit'] })
    createInterface({ input: this.process.stdout! }).on('line', (line) => {
      const answer = JSON.parse(line) as Answer
      if (answer.batch) this.onBatch(answer.batch)
      else if (answer.warning) this.onDegraded(answer.warning)
      else this.answers.push(answer)
    })
  }

  async ask(...words: string[]): Promise<Answer> {
    const { length } = this.answers
    this.process.stdin!.write(`${words.join('\t')}\n`)
    await until(() => expect(this.answers.length).toBeGreaterThan(length))
    const answer = this.answers[length]!
    if (answer.error !== undefined) throw new Error(answer.error)
    return answer
  }

  async end(): Promise<void> {
    const ended = new Promise((resolve) => this.process.once('exit', resolve))
    this.process.kill('SIGKILL')
    await ended
  }
}

async function start(...command: string[]): Promise<Child> {
  child = new Child(command)
  await until(() => expect(child).toHaveProperty('answers', [{ started: true }]))
  return child
}

function titled(title: string, obstacle: string | undefined): string {
  return obstacle === undefined ? title : `${title} (skipped: ${obstacle})`
}

const noQueue = mayWrite('/proc/sys/fs/inotify/max_queued_events') ? undefined : 'the length of the queue may not be set'
describe.skipIf(noQueue)(titled("overflow of the kernel's queue", noQueue), () => {
  test('is noticed, told with its sysctl, and nothing stays unheard after it', async () => {
    const child = await start()
    expect(await child.ask('queue', '32')).toEqual({ queue: 32 })
    await child.ask('watch', root)
    await child.ask('burst', root, '60')
    await until(() => expect(child.isComplete).toBe(false))
    expect(child.warnings[0]).toMatchObject({
      code: 'WATCH_OVERFLOW',
      message: expect.stringContaining('32'),
      hint: expect.stringContaining('sysctl fs.inotify.max_queued_events=128'),
    })
    // Every folder of the burst is watched by now, though most were never told of.
    expect(await child.ask('watches')).toEqual({ watches: 121 })
    for (const i of [0, 30, 59]) {
      child.forget()
      writeFileSync(join(root, `burst${i}/deep/later`), 'x')
      await until(() => expect([...child.paths]).toContain(`burst${i}/deep/later`))
      expect(child.isComplete).toBe(true)
    }
  })

  test('is not suspected of what the queue holds', async () => {
    const child = await start()
    await child.ask('queue', '4096')
    await child.ask('watch', root)
    await child.ask('burst', root, '60')
    await until(() => expect(child.paths.size).toBe(60))
    expect(child.warnings).toEqual([])
    expect(child.isComplete).toBe(true)
  })
})

const noSpace = canUnshare() ? undefined : 'no user namespace of its own is to be had'
describe.skipIf(noSpace)(titled('a limit of watches', noSpace), () => {
  const folders = Array.from({ length: 50 }, (_, i) => `f${i}`)
  const unshared = ['unshare', '--user', '--map-root-user']
  beforeEach(() => folders.forEach((folder) => mkdirSync(join(root, folder))))

  test('is told with its sysctl, the rest is polled, and watched when there is room again', async () => {
    const child = await start(...unshared)
    await child.ask('limit', 'max_inotify_watches', '20')
    await child.ask('watch', root)
    expect(await child.ask('watches')).toEqual({ watches: 20 })
    expect(child.warnings).toMatchObject([
      {
        code: 'WATCH_LIMIT',
        message: expect.stringContaining('31 folders'),
        hint: expect.stringMatching(/^allow more: sudo sysctl fs\.inotify\.max_user_watches=\d+$/),
      },
    ])
    for (const folder of folders) writeFileSync(join(root, folder, 'file'), 'x')
    await until(() => expect([...child.paths].sort()).toEqual(folders.map((folder) => `${folder}/file`).sort()))
    await child.ask('limit', 'max_inotify_watches', '1000')
    await until(async () => expect(await child.ask('watches')).toEqual({ watches: 51 }))
    child.forget()
    for (const folder of folders) writeFileSync(join(root, folder, 'file'), 'y')
    await until(() => expect([...child.paths].sort()).toEqual(folders.map((folder) => `${folder}/file`).sort()))
    expect(child.warnings).toHaveLength(1)
  })

  test('of watchers is told with its own, and everything is polled', async () => {
    const child = await start(...unshared)
    await child.ask('limit', 'max_inotify_instances', '0')
    await child.ask('watch', root)
    expect(await child.ask('watches')).toEqual({ watches: 0 })
    expect(child.warnings).toMatchObject([
      {
        code: 'WATCH_LIMIT',
        message: expect.stringContaining('51 folders'),
        hint: expect.stringContaining('fs.inotify.max_user_instances='),
      },
    ])
    writeFileSync(join(root, 'f49', 'file'), 'x')
    await until(() => expect([...child.paths]).toEqual(['f49/file']))
  })
})

function mayWrite(path: string): boolean {
  try {
    accessSync(path, constants.W_OK)
    return process.getuid?.() === 0
  } catch {
    return false
  }
}

function canUnshare(): boolean {
  try {
    execFileSync('unshare', ['--user', '--map-root-user', 'sh', '-c', 'test -w /proc/sys/user/max_inotify_watches'], {
      stdio: 'ignore',
    })
    return true
  } catch {
    return false
  }
}

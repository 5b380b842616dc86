import { execFileSync } from 'node:child_process'
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Watcher, WatchBatch, Watching, WatchOptions, WatchWarning } from '../../src/engine/ports.ts'

/** What a watcher told, gathered. */
export class Heard {
  readonly batches: WatchBatch[] = []
  readonly warnings: WatchWarning[] = []
  readonly paths = new Set<string>()
  onBatch = (batch: WatchBatch): void => {
    this.batches.push(batch)
    for (const path of batch.paths) this.paths.add(path)
  }
  onDegraded = (warning: WatchWarning): void => void this.warnings.push(warning)

  get isComplete(): boolean {
    return this.batches.every(({ isComplete }) => isComplete)
  }

  forget(): void {
    this.batches.length = 0
    this.paths.clear()
  }
}

/** Waits until a condition holds; what it threw last is the failure. */
export function until(condition: () => void): Promise<void> {
  return vi.waitFor(condition, { timeout: 20_000, interval: 5 })
}

/** Where thousands of files cost little. */
const roomy = existsSync('/dev/shm') ? '/dev/shm' : tmpdir()
let made: Repository | undefined
afterAll(() => made && rmSync(made.folder, { recursive: true, force: true }))

interface Repository {
  folder: string
  files: string[]
  checkout(branch: 'one' | 'two'): void
}

/** A repository, at `two`: of the 2,000 files of `one` some are others there, some are gone and some were moved. */
function repository(): Repository {
  if (made !== undefined) return made
  const folder = realpathSync(mkdtempSync(join(roomy, 'shiv-checkout-')))
  const git = (...args: string[]) =>
    execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@t', '-c', 'commit.gpgsign=false', ...args], {
      cwd: folder,
      stdio: 'ignore',
    })
  const files = Array.from({ length: 2_000 }, (_, i) => `pkg/${i % 40}/f${i}.ts`)
  const write = (path: string, text: string) => writeFileSync(join(folder, path), text)
  git('init', '-b', 'one')
  for (let i = 0; i < 40; i++) mkdirSync(join(folder, `pkg/${i}`), { recursive: true })
  for (const file of files) write(file, 'one')
  git('add', '.')
  git('commit', '-m', 'one')
  git('checkout', '-b', 'two')
  for (const file of files.slice(0, 1_000)) write(file, 'two')
  for (const file of files.slice(1_000, 1_900)) unlinkSync(join(folder, file))
  for (const file of files.slice(1_900)) renameSync(join(folder, file), join(folder, `moved-${file.replaceAll('/', '-')}`))
  git('add', '.')
  git('commit', '-m', 'two')
  return (made = { folder, files, checkout: (branch) => void git('checkout', branch) })
}

/** The suite that every Watcher passes, on a real file system. */
export function watcherContract(name: string, create: () => Watcher): void {
  describe(`${name} is a Watcher`, () => {
    let base: string
    let root: string
    let heard: Heard
    let open: Watching[]

    beforeEach(() => {
      base = realpathSync(mkdtempSync(join(tmpdir(), 'shiv-watch-')))
      root = join(base, 'work')
      heard = new Heard()
      open = []
      put('src/a.ts', 'src/b.ts', 'README.md')
    })
    afterEach(async () => {
      await Promise.all(open.map((watching) => watching.close()))
      rmSync(base, { recursive: true, force: true })
    })

    const at = (path: string) => join(root, path)
    function put(...paths: string[]): void {
      for (const folder of new Set(paths.map((path) => dirname(at(path))))) mkdirSync(folder, { recursive: true })
      for (const path of paths) writeFileSync(at(path), `${path} ${Math.random()}`)
    }
    async function watch(options: Partial<WatchOptions> = {}, to: Heard = heard): Promise<Watching> {
      const watching = await create().watch(root, {
        isIgnored: (path) => /(^|\/)(ignored|\.git)(\/|$)/.test(path),
        onBatch: to.onBatch,
        onDegraded: to.onDegraded,
        ...options,
      })
      open.push(watching)
      return watching
    }
    const told = (...paths: string[]) => until(() => expect([...heard.paths]).toEqual(expect.arrayContaining(paths)))
    /** What was told by the time that a later save is. */
    async function toldBefore(sentinel: string): Promise<string[]> {
      put(sentinel)
      await told(sentinel)
      return [...heard.paths].filter((path) => path !== sentinel).sort()
    }

    test('tells what is written, made and deleted, each path once a batch, with the time of the first', async () => {
      await watch()
      const before = performance.timeOrigin + performance.now()
      put('src/a.ts', 'src/new.ts')
      put('src/a.ts')
      unlinkSync(at('src/b.ts'))
      await told('src/a.ts', 'src/new.ts', 'src/b.ts')
      for (const { paths, seenAt, isComplete } of heard.batches) {
        expect(new Set(paths).size).toBe(paths.length)
        expect(seenAt).toBeGreaterThanOrEqual(before)
        expect(isComplete).toBe(true)
      }
    })

    test('tells nothing of what was there before', async () => {
      await watch()
      expect(await toldBefore('src/sentinel')).toEqual([])
    })

    test('tells of the last of many saves after it', async () => {
      let seen = ''
      await watch({ onBatch: () => void (seen = readFileSync(at('src/a.ts'), 'utf8')) })
      for (let i = 0; i < 300; i++) {
        writeFileSync(at('src/a.ts'), `save ${i}`)
        if (i % 3 === 0) await new Promise((resolve) => setTimeout(resolve, 1))
      }
      await until(() => expect(seen).toBe('save 299'))
    })

    test('tells the files of new folders, however deep, that were there before it could watch', async () => {
      await watch()
      const files = Array.from({ length: 200 }, (_, i) => `new/${i % 5}/deep/er/${i}.ts`)
      put(...files)
      await told(...files)
      heard.forget()
      put('new/3/deep/er/3.ts')
      await told('new/3/deep/er/3.ts')
    })

    test('tells both sides of a folder that is renamed, and hears it there', async () => {
      put('src/in/deep.ts')
      await watch()
      renameSync(at('src'), at('lib'))
      await told('src/a.ts', 'src/b.ts', 'src/in/deep.ts', 'lib/a.ts', 'lib/b.ts', 'lib/in/deep.ts')
      heard.forget()
      put('lib/in/deep.ts')
      await told('lib/in/deep.ts')
    })

    test('tells what leaves with a folder, and what comes with one', async () => {
      await watch()
      renameSync(at('src'), join(base, 'elsewhere'))
      await told('src/a.ts', 'src/b.ts')
      heard.forget()
      writeFileSync(join(base, 'elsewhere/a.ts'), 'unheard')
      expect(await toldBefore('sentinel')).toEqual([])
      renameSync(join(base, 'elsewhere'), at('back'))
      await told('back/a.ts', 'back/b.ts')
    })

    test('hears a folder that was deleted and made again', async () => {
      await watch()
      rmSync(at('src'), { recursive: true })
      put('src/a.ts')
      await told('src/a.ts', 'src/b.ts')
      heard.forget()
      put('src/later.ts')
      await told('src/later.ts')
    })

    test('hears two folders that change places', async () => {
      put('one/only-one.ts', 'one/x.ts', 'two/x.ts')
      await watch()
      renameSync(at('one'), at('aside'))
      renameSync(at('two'), at('one'))
      renameSync(at('aside'), at('two'))
      await told('one/x.ts', 'two/x.ts', 'one/only-one.ts', 'two/only-one.ts')
      heard.forget()
      put('two/only-one.ts')
      await told('two/only-one.ts')
    })

    test.each([
      ['deleted and made again', () => rmSync(root, { recursive: true })],
      ['moved away and made again', () => renameSync(root, join(base, 'away'))],
    ])('hears a root that was %s', async (_how, remove) => {
      await watch()
      remove()
      await told('src/a.ts', 'src/b.ts', 'README.md')
      heard.forget()
      put('src/a.ts', 'src/new.ts')
      await told('src/a.ts', 'src/new.ts')
      heard.forget()
      put('src/later.ts')
      await told('src/later.ts')
    })

    test('hears a root that was replaced in one tick', async () => {
      put('work/same-name-as-root.ts')
      await watch()
      rmSync(root, { recursive: true })
      put('src/a.ts')
      await told('src/a.ts', 'src/b.ts', 'README.md', 'work/same-name-as-root.ts')
      heard.forget()
      put('src/a.ts')
      await told('src/a.ts')
    })

    test('hears a root that was replaced, though the one thing in it has its name', async () => {
      rmSync(root, { recursive: true })
      put('work/in.ts')
      await watch()
      rmSync(root, { recursive: true })
      put('work/in.ts')
      await told('work/in.ts')
      put('later.ts')
      await told('later.ts')
    })

    test('tells of a file that was deleted and made again in one tick', async () => {
      await watch()
      unlinkSync(at('src/a.ts'))
      put('src/a.ts')
      await told('src/a.ts')
    })

    test('tells of a file in the place of a folder, and of a folder in the place of a file', async () => {
      await watch()
      rmSync(at('src'), { recursive: true })
      rmSync(at('README.md'))
      put('src', 'README.md/page')
      await told('src', 'src/a.ts', 'src/b.ts', 'README.md', 'README.md/page')
      heard.forget()
      put('README.md/other')
      await told('README.md/other')
    })

    test("tells the final path of an editor's atomic save", async () => {
      await watch()
      for (const aside of ['src/a.ts~', 'src/.a.ts.swp', 'src/4913']) {
        put(aside)
        renameSync(at(aside), at('src/a.ts'))
        await told('src/a.ts')
        heard.forget()
      }
    })

    test('tells of links themselves and follows none', async () => {
      mkdirSync(join(base, 'outside'))
      writeFileSync(join(base, 'outside/secret'), '1')
      symlinkSync(join(base, 'outside'), at('old-link'))
      await watch()
      symlinkSync(join(base, 'outside'), at('link'))
      symlinkSync('nowhere', at('dangling'))
      await told('link', 'dangling')
      heard.forget()
      writeFileSync(join(base, 'outside/secret'), '2')
      expect(await toldBefore('sentinel')).toEqual([])
      unlinkSync(at('link'))
      symlinkSync('src', at('link'))
      unlinkSync(at('dangling'))
      unlinkSync(at('old-link'))
      await told('link', 'dangling', 'old-link')
      expect([...heard.paths].filter((path) => path.startsWith('link/'))).toEqual([])
    })

    test('tells both spellings when only the case changes', async () => {
      await watch()
      renameSync(at('src/a.ts'), at('src/A.ts'))
      await told('src/a.ts', 'src/A.ts')
    })

    test('tells names as they are', async () => {
      await watch()
      const names = [
        ' lead and trail ',
        'new\nline',
        `q"uo't\`e`,
        'ünï-коd-名',
        '\u{1F600}',
        'back\\slash',
        '$(x)',
        '-rf',
        '..dots',
        'a\uFFFDb',
      ]
      put(...names.map((name) => `src/${name}`), ...names.map((name) => `${name}/in.ts`))
      await told(...names.map((name) => `src/${name}`), ...names.map((name) => `${name}/in.ts`))
    })

    test.skipIf(process.platform === 'darwin')('says once that a name is no UTF-8, and does not tell it', async () => {
      const named = (name: string) => Buffer.concat([Buffer.from(`${root}/`), Buffer.from(name, 'latin1')])
      await watch()
      writeFileSync(named('caf\xe9.ts'), 'x')
      writeFileSync(named('caf\xe9.ts'), 'y')
      mkdirSync(named('f\xf6lder'))
      const names = () => heard.warnings.filter(({ code }) => code === 'WATCH_NAME_UNREADABLE').map(({ message }) => message)
      await until(() => expect(names()).toHaveLength(2))
      expect(names().join()).toContain('caf\\xe9.ts')
      expect(names().join()).toContain('f\\xf6lder')
      expect(await toldBefore('sentinel')).toEqual([])
      expect(names()).toHaveLength(2)
      rmSync(named('caf\xe9.ts'))
      rmSync(named('f\xf6lder'), { recursive: true })
    })

    test('asks before it watches, and holds nothing of what is ignored', async () => {
      put('ignored/deep/x', '.git/index')
      const asked = new Map<string, boolean>()
      const isIgnored = (path: string, isFolder: boolean) => {
        asked.set(path, isFolder)
        return path === 'ignored' || path === '.git' || path.endsWith('.log')
      }
      const ignoring = await watch({ isIgnored })
      expect(asked.get('ignored')).toBe(true)
      expect(asked.get('src/a.ts')).toBe(false)
      put('ignored/deep/y', 'ignored/new/z', '.git/HEAD', 'src/x.log', 'later/x.log')
      expect((await toldBefore('sentinel')).filter((path) => path !== 'later')).toEqual([])
      expect([...asked.keys()].filter((path) => path.startsWith('ignored/') || path.startsWith('.git/'))).toEqual([])
      rmSync(at('ignored'), { recursive: true })
      rmSync(at('.git'), { recursive: true })
      rmSync(at('later'), { recursive: true })
      rmSync(at('src/x.log'))
      const all = await watch({ isIgnored: () => false }, new Heard())
      await until(() => expect(ignoring.watches).toBe(all.watches))
    })

    test('tells all of 2,000 files that a checkout of another branch touches', async () => {
      const { folder, files, checkout } = repository()
      root = folder
      await watch()
      checkout('one')
      await told(...files)
      heard.forget()
      checkout('two')
      await told(...files)
    })

    test('tells all of 10,000 files that are made at once, or that it may have missed some', async () => {
      root = realpathSync(mkdtempSync(join(roomy, 'shiv-many-')))
      await watch()
      const files = Array.from({ length: 10_000 }, (_, i) => `many/${i % 100}/f${i}.ts`)
      put(...files)
      await until(() => expect(heard.isComplete && files.some((file) => !heard.paths.has(file))).toBe(false))
      expect(heard.isComplete).toBe(heard.warnings.every(({ code }) => code !== 'WATCH_OVERFLOW'))
      heard.forget()
      put('many/99/later.ts')
      await told('many/99/later.ts')
      rmSync(root, { recursive: true })
    })

    test('two watch one folder, and the end of one is not that of the other', async () => {
      const other = new Heard()
      const first = await watch({}, other)
      await watch()
      await first.close()
      put('src/a.ts')
      await told('src/a.ts')
      expect(other.batches).toEqual([])
    })

    test('close leaves no watch and no timer', async () => {
      const resources = () =>
        process.getActiveResourcesInfo().filter((kind) => ['FSEventWrap', 'Timeout', 'Immediate', 'StatWatcher'].includes(kind))
          .length
      const before = resources()
      const watching = await watch()
      put('src/a.ts', 'fresh/b.ts')
      await told('src/a.ts', 'fresh/b.ts')
      put('src/a.ts')
      await watching.close()
      heard.forget()
      await until(() => expect(resources()).toBeLessThanOrEqual(before))
      appendFileSync(at('src/a.ts'), 'more')
      await new Promise((resolve) => setTimeout(resolve, 20))
      expect(heard.batches).toEqual([])
      expect(watching.watches).toBe(0)
    })

    test('says when there is no such folder', async () => {
      root = join(base, 'nowhere')
      await expect(watch()).rejects.toMatchObject({ code: 'WATCH_ROOT_MISSING' })
      put('../file')
      root = join(base, 'file')
      await expect(watch()).rejects.toMatchObject({ code: 'WATCH_ROOT_MISSING' })
      root = join(base, 'work')
    })
  })
}

import { spawnSync } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createSpareWorld, type SpareWorld } from './spare-world.ts'

const hasPython = spawnSync('python3', ['-c', 'pass']).status === 0
if (!hasPython) console.log('spare.py is not tested: python3 is not installed')

describe.skipIf(process.platform !== 'linux' || !hasPython)('spare.py', () => {
  let folder: string
  let world: SpareWorld

  beforeEach(async () => {
    world = await createSpareWorld('spare.py')
    folder = world.folder
  })
  afterEach(() => world.end())

  const save: SpareWorld['save'] = (...file) => world.save(...file)
  const settle: SpareWorld['settle'] = (child) => world.settle(child)
  const go: SpareWorld['go'] = (line) => world.go(line)
  const spare = (program: string[], env: Record<string, string> = {}) =>
    world.start('python3', ['-B', join(folder, 'shiv/spare.py'), ...program], { cwd: 'code', env })
  const plainly = (program: string[]) =>
    spawnSync('python3', ['-B', ...program], { cwd: join(folder, 'code'), env: { PATH: process.env['PATH'] }, encoding: 'utf8' })

  /** What a program can see of how it was started. */
  const LOOK = `
import os, sys
import other
print(__name__, __file__, sys.argv, sys.path, sorted(name for name in globals() if not name.startswith("__")))
print(other.word, os.getcwd(), sorted(name for name in os.environ if name.startswith("SHIV")), sys.modules["__main__"].__dict__ is globals())
print(type(__loader__).__name__ if __spec__ is None else __spec__.name)
`

  it.each([
    ['a file', ['main.py', '--port', 'a b']],
    ['a module', ['-m', 'main', '--port', 'a b']],
    ['a package', ['-m', 'package', 'x']],
  ])('%s sees what it would see when it was started plainly, and is read at go', async (_name, program) => {
    await mkdir(join(folder, 'code/package'))
    for (const file of ['main.py', 'package/__main__.py']) await save(file, 'print("old")')
    const { child, closed, output } = spare(program)
    await settle(child)
    expect(output()).toBe('')
    for (const file of ['main.py', 'package/__main__.py']) await save(file, LOOK)
    await save('other.py', 'word = "fresh"')
    await go()
    const { code, output: seen } = await closed
    expect({ code, seen }).toEqual({ code: 0, seen: plainly(program).stdout })
    expect(seen).toContain('fresh')
  })

  it('fails as a plain start fails: the traceback, the code, the exit of a thread', async () => {
    const failing = `
import atexit, threading, time
atexit.register(lambda: print("left in order", flush=True))
threading.Thread(target=lambda: (time.sleep(0.2), print("thread ended", flush=True))).start()
def deep():
    raise ValueError("it is broken")
deep()
`
    await save('main.py', failing)
    const { child, closed } = spare(['main.py'])
    await settle(child)
    await go()
    const plain = plainly(['main.py'])
    expect(await closed).toMatchObject({ code: plain.status, signal: null })
    const { output } = await closed
    expect(output).toContain(plain.stderr)
    expect(output).toContain(plain.stdout)
    expect(plain.stderr).toContain('line 7, in <module>')
  })

  it.each([
    ['raise SystemExit(7)', 7],
    ['import sys; sys.exit()', 0],
    ['import os; os._exit(3)', 3],
    ['def', 1],
  ])('ends with the code of %s', async (text, code) => {
    await save('main.py', text)
    const { child, closed } = spare(['main.py'])
    await settle(child)
    await go()
    expect(await closed).toMatchObject({ code, signal: null })
    expect(plainly(['main.py']).status).toBe(code)
  })

  it('preloads installed modules and none of the service; takes the environment of go', async () => {
    await save('main.py', '')
    await save('helper.py', 'print("read too early")')
    const { child, closed } = spare(['main.py'], { SHIV_SPARE_PRELOAD: 'http.server helper', WAITS: 'yes' })
    await settle(child)
    await save('helper.py', 'word = "late"')
    await save(
      'main.py',
      'import sys\nprint("http.server" in sys.modules)\nimport os, helper\nprint(helper.word, os.environ.get("WAITS"), os.environ["ADDED"])',
    )
    await go('go {"env":{"WAITS":null,"ADDED":"ü"}}')
    const { code, output } = await closed
    expect(code).toBe(0)
    expect(output).toMatch(/^shiv: helper cannot be preloaded: ModuleNotFoundError.*\nTrue\nlate None ü\n$/)
  })

  it('lets processes be made by spawn, which load the program again', async () => {
    await save(
      'main.py',
      `import multiprocessing
def work(number):
    return number * 2
if __name__ == "__main__":
    multiprocessing.set_start_method("spawn")
    with multiprocessing.Pool(1) as pool:
        print(pool.map(work, [21]))
`,
    )
    const { child, closed } = spare(['main.py'])
    await settle(child)
    await go()
    expect(await closed).toMatchObject({ code: 0, output: '[42]\n' })
  })

  it('dies of TERM while it waits, ends by itself when whoever holds the FIFO is gone', async () => {
    await save('main.py', 'print("never")')
    const first = spare(['main.py'])
    await settle(first.child)
    first.child.kill('SIGTERM')
    expect(await first.closed).toMatchObject({ code: null, signal: 'SIGTERM', output: '' })
    const second = spare(['main.py'])
    await settle(second.child)
    await world.letGoOfFifo()
    expect(await second.closed).toMatchObject({ code: 0, output: '' })
  })
})

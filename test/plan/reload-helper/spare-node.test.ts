import { mkdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createSpareWorld, type SpareWorld } from './spare-world.ts'

describe.skipIf(process.platform !== 'linux')('spare.cjs', () => {
  let folder: string
  let world: SpareWorld

  beforeEach(async () => {
    world = await createSpareWorld('spare.cjs')
    folder = world.folder
  })
  afterEach(() => world.end())

  const save: SpareWorld['save'] = (...file) => world.save(...file)
  const settle: SpareWorld['settle'] = (child) => world.settle(child)
  const go: SpareWorld['go'] = (line) => world.go(line)
  const spare = (args: string[], env: Record<string, string> = {}) => {
    const preloaded = { NODE_OPTIONS: `--require ${join(folder, 'shiv/spare.cjs')}`, SHIV_SPARE_CWD: join(folder, 'code') }
    return world.start(process.execPath, args, { cwd: 'shiv', env: { ...preloaded, ...env } })
  }

  it('runs the code of the moment of go, not of its own start', async () => {
    await save('main.js', 'console.log("old")')
    const { child, closed, output } = spare([join(folder, 'code/main.js')])
    await settle(child)
    expect(output()).toBe('')
    await save('other.js', 'exports.word = "fresh"')
    await save('main.js', 'console.log(require("./other.js").word, require.main === module, process.cwd() === __dirname)')
    await go()
    expect(await closed).toEqual({ code: 0, signal: null, output: 'fresh true true\n' })
  })

  it('has read nothing of the service when it waits: package.json may turn into that of ES modules', async () => {
    await save('package.json', '{"type":"commonjs"}')
    await save('main.js', 'console.log(typeof require)')
    const { child, closed } = spare([join(folder, 'code/main.js')])
    await settle(child)
    await save('package.json', '{"type":"module"}')
    await save('main.js', 'import { word } from "./word.js"; console.log(word, import.meta.url.endsWith("code/main.js"))')
    await save('word.js', 'export const word = await Promise.resolve("esm")')
    await go()
    expect(await closed).toMatchObject({ code: 0, output: 'esm true\n' })
  })

  it('leaves argv, exit code, environment and children as a plain start would', async () => {
    await save(
      'main.mjs',
      `import { execFileSync } from 'node:child_process'
       import { Worker } from 'node:worker_threads'
       const env = Object.keys(process.env).filter((name) => /^SHIV_SPARE|^NODE_OPTIONS/.test(name))
       console.log(JSON.stringify([process.argv.slice(1), process.execArgv, env, process.env.NODE_OPTIONS, process.env.ADDED]))
       console.log(execFileSync(process.execPath, ['-p', '6*7'], { encoding: 'utf8' }).trim())
       new Worker('console.log("worker")', { eval: true }).on('exit', () => process.exit(7))`,
    )
    const file = join(folder, 'code/main.mjs')
    const { child, closed } = spare(['--stack-trace-limit=50', file, '--port', 'a b'], {
      SHIV_SPARE_OPTIONS: '--no-warnings',
    })
    await settle(child)
    await go('go {"env":{"ADDED":"yes"}}')
    const { code, output } = await closed
    const [seen, ...rest] = output.trim().split('\n')
    expect(JSON.parse(seen ?? '')).toEqual([
      [file, '--port', 'a b'],
      ['--stack-trace-limit=50'],
      ['NODE_OPTIONS'],
      '--no-warnings',
      'yes',
    ])
    expect({ code, rest }).toEqual({ code: 7, rest: ['42', 'worker'] })
  })

  it('lets modules of --import and --require be read after go', async () => {
    await save('first.mjs', 'console.log("old import")')
    await save('second.cjs', 'console.log("old require")')
    await save('main.cjs', 'console.log("main")')
    const { child, closed } = spare(['--import', './first.mjs', '--require', './second.cjs', join(folder, 'code/main.cjs')])
    await settle(child)
    await save('first.mjs', 'console.log("new import")')
    await save('second.cjs', 'console.log("new require")')
    await go()
    expect(await closed).toMatchObject({ code: 0, output: 'new require\nnew import\nmain\n' })
  })

  it('opens the inspector at go', async () => {
    await save('main.cjs', 'console.log(require("node:inspector").url(), process.debugPort)')
    const { child, closed, output } = spare([join(folder, 'code/main.cjs')], { SHIV_SPARE_OPTIONS: '--inspect=127.0.0.1:0' })
    await settle(child)
    expect(output()).toBe('')
    await go()
    expect((await closed).output).toMatch(/Debugger listening on (ws:\S+)[^]*\1 \d+\n/)
  })

  it('preloads installed modules, of both kinds, and nothing of the service', async () => {
    const installed = async (name: string, files: Record<string, string>) => {
      await mkdir(join(folder, 'code/node_modules', name), { recursive: true })
      for (const [file, text] of Object.entries(files)) await save(`node_modules/${name}/${file}`, text)
    }
    await installed('common', { 'package.json': '{"main":"./main.js"}', 'main.js': 'exports.at = process.env.WAITS' })
    await installed('modern', {
      'package.json': '{"type":"module","exports":"./main.js"}',
      'main.js': 'export const at = process.env.WAITS',
    })
    await save('package.json', '{"type":"commonjs","dependencies":{}}')
    await save('main.js', '')
    const { child, closed } = spare([join(folder, 'code/main.js')], {
      SHIV_SPARE_PRELOAD: 'common modern ./main.js gone',
      WAITS: 'while it waited',
    })
    await settle(child)
    await save('package.json', '{"type":"module"}')
    await save('main.js', "import { at } from 'common'; import { at as later } from 'modern'; console.log(at, later)")
    await go('go {"env":{"WAITS":null}}')
    const { code, output } = await closed
    expect(code).toBe(0)
    expect(output).toMatch(
      /^shiv: .\/main.js cannot be preloaded: [^]*shiv: gone cannot be preloaded: Cannot find module 'gone'\n/,
    )
    expect(output).toMatch(/while it waited while it waited\n$/)
    expect(output).not.toContain('Warning')
  })

  it('learns what preloaded modules load only when they are used', async () => {
    await mkdir(join(folder, 'code/node_modules/lazy'), { recursive: true })
    await save('node_modules/lazy/index.js', 'exports.use = () => require("./part.js")')
    await save('node_modules/lazy/part.js', 'require("./deeper.js"); exports.isEarly = process.env.SHIV_SPARE_FIFO !== undefined')
    await save('node_modules/lazy/deeper.js', '')
    await save('own.js', '')
    await save('main.js', 'require("./own.js"); console.log(require("lazy").use().isEarly); setTimeout(() => {}, 1500)')
    const learned = join(folder, 'shiv/learned')
    for (const isEarly of ['false', 'true']) {
      const { child, closed } = spare([join(folder, 'code/main.js')], { SHIV_SPARE_PRELOAD: 'lazy', SHIV_SPARE_LEARNED: learned })
      await settle(child)
      await go()
      expect(await closed).toMatchObject({ code: 0, output: `${isEarly}\n` })
      const files = (await readFile(learned, 'utf8')).split('\n').map((file) => file.split('/code/')[1])
      expect(files.sort()).toEqual(['deeper', 'index', 'part'].map((name) => `node_modules/lazy/${name}.js`))
    }
    await rm(join(folder, 'code/node_modules/lazy/deeper.js'))
    await save('node_modules/lazy/part.js', 'exports.isEarly = "mended"')
    const { child, closed } = spare([join(folder, 'code/main.js')], { SHIV_SPARE_PRELOAD: 'lazy', SHIV_SPARE_LEARNED: learned })
    await settle(child)
    await go()
    expect(await closed).toMatchObject({ code: 0, output: 'mended\n' })
  })

  it('dies of TERM while it waits, ends by itself when whoever holds the FIFO is gone', async () => {
    await save('main.cjs', 'console.log("never")')
    const first = spare([join(folder, 'code/main.cjs')])
    await settle(first.child)
    first.child.kill('SIGTERM')
    expect(await first.closed).toMatchObject({ code: null, signal: 'SIGTERM', output: '' })
    const second = spare([join(folder, 'code/main.cjs')])
    await settle(second.child)
    await world.letGoOfFifo()
    expect(await second.closed).toMatchObject({ code: 0, output: '' })
  })
})

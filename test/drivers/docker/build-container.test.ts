import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createBuildContainers } from '../../../src/drivers/docker/build-container.ts'
import type { BuildContainers } from '../../../src/engine/reload/build-step.ts'
import { dockerHas } from './available.ts'

describe.skipIf(!dockerHas('golang:1.26'))('a build in a container', () => {
  let folder: string
  let containers: BuildContainers
  const at = (...path: string[]) => join(folder, ...path)

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'shiv-build-container-'))
    for (const name of ['work/web', 'out', 'home']) mkdirSync(at(name), { recursive: true })
    writeFileSync(at('work/web/go.mod'), 'module example.com/web\n\ngo 1.24\n')
    save('first')
    containers = createBuildContainers({ home: at('home') })
  })
  afterAll(async () => {
    await containers.end(at('work'), process.env)
    rmSync(folder, { recursive: true, force: true })
  })

  const save = (word: string, more = '') =>
    writeFileSync(at('work/web/main.go'), `package main\n\nfunc main() {\n\tprintln("${word}")\n${more}}\n`)
  const run = (argv: string[], signal = new AbortController().signal) =>
    containers.run({
      argv,
      image: 'golang:1.26',
      workspace: at('work'),
      out: at('out'),
      cwd: at('work/web'),
      env: { CGO_ENABLED: '0', GOOS: 'linux', GOFLAGS: '-buildvcs=false' },
      environment: process.env,
      signal,
    })
  const build = () => run(['go', 'build', '-o', at('out/app'), '.'])
  const ids = () =>
    execFileSync('docker', ['ps', '-q', '--filter', `label=dev.shiv.build-container=${at('work')}`], { encoding: 'utf8' }).trim()

  it('makes the artefact as the user, and keeps the container for the next build', async () => {
    expect(await build()).toMatchObject({ code: 0 })
    expect(execFileSync(at('out/app'), { stdio: ['ignore', 'ignore', 'pipe'] })).toBeDefined()
    expect(statSync(at('out/app')).uid).toBe(process.getuid?.())
    const before = ids()
    save('second')
    expect(await build()).toMatchObject({ code: 0 })
    expect(ids()).toBe(before)
    expect(before).not.toBe('')
  }, 180_000)

  it('gives back what the compiler says', async () => {
    save('third', '\tnothing()\n')
    const { code, lines } = await build()
    expect(code).toBe(1)
    expect(lines.join('\n')).toContain('./main.go:5:2: undefined: nothing')
  }, 60_000)

  it('cannot write to the workspace', async () => {
    const { code } = await run(['touch', at('work/web/written')])
    expect(code).not.toBe(0)
    expect(existsSync(at('work/web/written'))).toBe(false)
  }, 60_000)

  it('is made anew when it was removed, or given up', async () => {
    save('fourth')
    execFileSync('docker', ['rm', '-f', ids()])
    expect(await build()).toMatchObject({ code: 0 })
    const giveUp = new AbortController()
    const waiting = run(['sleep', '1000'], giveUp.signal)
    setTimeout(() => giveUp.abort(new Error('given up')), 100)
    await waiting.catch(() => undefined)
    await expect.poll(ids, { timeout: 20_000 }).toBe('')
    expect(await build()).toMatchObject({ code: 0 })
  }, 120_000)

  it('says which image cannot be had', async () => {
    const build = {
      argv: ['true'],
      image: 'shiv.invalid/none:1',
      workspace: at('work'),
      out: at('out'),
      cwd: at('work'),
      env: {},
    }
    await expect(
      containers.run({ ...build, environment: process.env, signal: new AbortController().signal }),
    ).rejects.toMatchObject({ code: 'DOCKER_PULL_FAILED', hint: 'docker pull shiv.invalid/none:1' })
  }, 60_000)

  it('leaves nothing when it ends', async () => {
    await build()
    await containers.end(at('work'), process.env)
    expect(ids()).toBe('')
  }, 60_000)
})

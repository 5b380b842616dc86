import { randomUUID } from 'node:crypto'
import { appendFileSync, cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import {
  buildImage,
  chooseVariant,
  docker,
  dockerMissing,
  fill,
  fixtures,
  hostPort,
  readPreset,
  runRestricted,
  waitFor,
} from './presets.ts'

const missing = await dockerMissing()
if (missing) console.warn(`skipped: language images are not built, ${missing}`)

/** One small service for each way of naming dependencies; it answers with its uid and its dependency's version. */
const cases = [
  { fixture: 'go', language: 'go', variant: undefined, source: 'main.go', maxMb: 15 },
  { fixture: 'go-cmd', language: 'go', variant: 'cmd', source: 'cmd/fixture/main.go', maxMb: 15 },
  { fixture: 'node-npm', language: 'node', variant: 'npm', source: 'src/server.js' },
  { fixture: 'node-pnpm', language: 'node', variant: 'pnpm', source: 'src/server.js' },
  { fixture: 'node-yarn', language: 'node', variant: 'yarn', source: 'src/server.js' },
  { fixture: 'node-yarn-modern', language: 'node', variant: 'yarn-modern', source: 'src/server.js' },
  { fixture: 'python-pip', language: 'python', variant: 'pip', source: 'main.py' },
  { fixture: 'python-uv', language: 'python', variant: 'uv', source: 'main.py' },
  { fixture: 'python-poetry', language: 'python', variant: 'poetry', source: 'main.py' },
]

describe.each(cases)('$fixture', ({ fixture, language, variant, source, maxMb }) => {
  const folder = join(fixtures, fixture)
  const preset = chooseVariant(readPreset('languages', language), folder, 'fixture')
  const tag = `shiv-test/preset-${fixture}`
  const dockerfile = fill(preset['build'].dockerfile, { 'service.name': 'fixture' })
  const containers: string[] = []

  afterAll(async () => {
    if (missing) return
    for (const id of containers) await docker('rm', '-f', id)
    await docker('rmi', '-f', tag)
  })

  test('its files choose the variant', () => {
    expect(preset['name']).toBe(variant ?? language)
  })

  test.skipIf(missing)(
    'builds, and answers under the restricted policy until it is told to end',
    { timeout: 300_000 },
    async () => {
      await buildImage(tag, folder, dockerfile, preset['build'].ignore)
      const user = preset['build'].user
      const container = await runRestricted(tag, user, ['--tmpfs=/tmp', '-e', 'PORT=8080', '-p', '127.0.0.1::8080'])
      containers.push(container)

      const port = await hostPort(container, 8080)
      const answer = await waitFor(container, async () => {
        const response = await fetch(`http://127.0.0.1:${port}${preset['health'].path}`)
        return response.ok ? ((await response.json()) as Record<string, unknown>) : undefined
      })
      expect(answer['user']).toBe(user)
      expect(answer['dependency']).toBeTruthy()
      expect(answer['development'] ?? false, 'development dependencies stay out of the image').toBe(false)

      await docker('stop', '-t', '20', container)
      const { stdout: code } = await docker('inspect', '--format', '{{.State.ExitCode}}', container)
      expect(code, 'TERM reaches the service itself').not.toBe('137')

      const { stdout } = await docker('image', 'inspect', '--format', '{{.Size}} {{.Config.User}} {{json .Config.Cmd}}', tag)
      const [size, imageUser, command] = stdout.split(' ', 3)
      expect(imageUser).toBe(`${user}:${user}`)
      expect(command).toContain(preset['build'].command[0])
      if (maxMb) expect(Number(size) / 1e6).toBeLessThan(maxMb)
    },
  )

  test.skipIf(missing)('an edit changes one layer at most', { timeout: 300_000 }, async () => {
    const layers = async (): Promise<string[]> => {
      const { stdout } = await docker('image', 'inspect', '--format', '{{json .RootFS.Layers}}', tag)
      return JSON.parse(stdout)
    }
    const edited = mkdtempSync(join(tmpdir(), 'shiv-preset-'))
    const edit = async (): Promise<string[]> => {
      appendFileSync(join(edited, source), `${language === 'python' ? '#' : '//'} ${randomUUID()}\n`)
      await buildImage(tag, edited, dockerfile, preset['build'].ignore)
      return layers()
    }
    try {
      cpSync(folder, edited, { recursive: true })
      const before = await edit()
      const changed = (await edit()).filter((layer) => !before.includes(layer))
      expect(changed.length).toBeLessThanOrEqual(1)
    } finally {
      rmSync(edited, { recursive: true, force: true })
    }
  })
})

/** Writes what tools write into modules: a generated client, a patch of a package, a cache. */
const MAKE = `
import { mkdirSync, writeFileSync } from 'node:fs'
for (const name of ['dist/made', 'node_modules/.cache/large', 'node_modules/' + process.argv[2] + '/made']) {
  mkdirSync(name.slice(0, name.lastIndexOf('/')), { recursive: true })
  writeFileSync(name + '.txt', 'made')
}
`

describe.each(cases.filter(({ language }) => language === 'node'))('a build script of $fixture', ({ fixture }) => {
  test.skipIf(missing)('makes code, in node_modules too, but for caches', { timeout: 300_000 }, async () => {
    const tag = `shiv-test/made-${fixture}`
    const folder = mkdtempSync(join(tmpdir(), 'shiv-preset-'))
    try {
      cpSync(join(fixtures, fixture), folder, { recursive: true })
      const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
      const [dependency] = Object.keys(manifest.dependencies)
      manifest.scripts = { ...manifest.scripts, build: `node make.mjs ${dependency}` }
      // Where packages are installed there is no code to look at yet.
      manifest.scripts.postinstall = '[ ! -f make.mjs ] || node make.mjs .post'
      writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest))
      writeFileSync(join(folder, 'make.mjs'), MAKE)
      const { build } = chooseVariant(readPreset('languages', 'node'), folder, 'fixture')
      await buildImage(tag, folder, fill(build.dockerfile, { 'service.name': 'fixture' }), build.ignore)
      const { stdout } = await docker(
        'run',
        '--rm',
        '--entrypoint',
        'find',
        tag,
        '-L',
        '.',
        '-name',
        '*.txt',
        '-newer',
        'make.mjs',
      )
      expect(
        stdout
          .split('\n')
          .filter((path) => !path.includes('.pnpm'))
          .toSorted(),
      ).toEqual(['./dist/made.txt', './node_modules/.post/made.txt', `./node_modules/${dependency}/made.txt`].toSorted())
    } finally {
      rmSync(folder, { recursive: true, force: true })
      await docker('rmi', '-f', tag)
    }
  })
})

import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { buildPlan } from '../../src/plan/build.ts'
import { localise } from '../../src/plan/localise.ts'
import { compileReload, workspaceFiles } from '../../src/plan/reload-rules.ts'
import type { Verdict } from '../../src/plan/reload-rules.ts'
import { loadWorkspace } from '../../src/spec/load.ts'
import type { ReloadPolicy, ReloadRule } from '../../src/spec/reload-policy.ts'
import { folderWith } from '../spec/support.ts'
import { makeModel, makeService } from './fixture.ts'

const ROOT = '/home/dev/shop/web'

function policy(rules: ReloadRule[], more: Partial<ReloadPolicy> = {}): ReloadPolicy {
  return { restart: 'process', overlap: false, browser: false, rules, ...more }
}

function classifier(reload: ReloadPolicy | undefined, build?: Parameters<typeof makeService>[1]) {
  const model = makeModel([makeService('web', { ...(reload && { reload }), ...build })])
  const plan = localise(buildPlan(model), 'process', model)
  return compileReload(plan.services[0]!, { ...workspaceFiles(plan, plan.services[0]!), hasContainers: true })
}

const rule = (files: string[], action: object): ReloadRule => ({ files, from: 'preset x', ...action }) as ReloadRule

describe('compileReload', () => {
  const classify = classifier(
    policy([
      rule(['*.md'], { do: 'ignore', why: 'words' }),
      rule(['lock'], { do: 'image' }),
      rule(['deps'], { do: 'install', run: ['npm', 'ci'], to: '/app', inContainer: { image: 'tool:1', makes: 'm', reads: [] } }),
      rule(['bare'], { do: 'install', run: ['npm', 'ci'], to: '/app' }),
      rule(['src/**'], { do: 'build', run: ['make'], sync: { from: 'out', to: '/app/out' }, to: '/app' }),
      rule(['views/**'], { do: 'sync', to: '/app', restart: 'none' }),
    ]),
  )

  test.each([
    ['README.md', { action: 'ignore', why: 'words', targets: [] }],
    ['lock', { action: 'image', targets: [] }],
    [
      'deps',
      {
        action: 'install',
        targets: ['/app/deps', '/app/m'],
        restart: 'process',
        rule: 'deps → install by npm ci in tool:1, m to /app/m',
      },
    ],
    ['bare', { action: 'image', targets: [], why: expect.stringContaining('names no image') }],
    [
      'src/a/b.ts',
      { action: 'build', targets: ['/app/src/a/b.ts', '/app/out'], rule: 'src/** → build by make, out to /app/out' },
    ],
    ['views/index.html', { action: 'sync', targets: ['/app/views/index.html'], restart: 'none', from: 'preset x' }],
    ['service.yaml', { action: 'plan', from: 'shiv' }],
    ['../shiv.yaml', { action: 'plan' }],
    ['../presets/languages/node.yaml', { action: 'plan' }],
  ])('%s', (path, verdict) => expect(classify(join(ROOT, path))).toMatchObject(verdict))

  test('asks for a rule where none matches, and never makes it an image', () => {
    expect(classify(join(ROOT, 'docs/README.md'))).toMatchObject({
      action: 'unmatched',
      why: expect.stringContaining('add one to reload.rules'),
    })
  })

  test('has no opinion on files of others', () => {
    expect(classify('/home/dev/shop/billing/a.js')).toBeUndefined()
    expect(classify('/home/dev/shop/website/a.js')).toBeUndefined()
    expect(classify(ROOT)).toBeUndefined()
  })

  test('knows that an image is built from files outside of the folder, and by which Dockerfile', () => {
    const build = {
      kind: 'dockerfile' as const,
      context: '/home/dev/shop',
      dockerfile: '/home/dev/shop/web/ops/Dockerfile',
      args: {},
    }
    const of = classifier(policy([rule(['**/*'], { do: 'sync', to: '/app' })]), { build })
    expect(of('/home/dev/shop/lib/x.js')).toMatchObject({ action: 'image' })
    expect(of(build.dockerfile)).toMatchObject({ action: 'image', why: 'the image is built by it' })
    expect(of(join(ROOT, 'x.js'))).toMatchObject({ action: 'sync' })
  })

  test('turns what would go into a container into what its obstacle says', () => {
    const obstacle = { do: 'image' as const, why: 'its command is known to its image only' }
    const of = classifier(policy([rule(['a'], { do: 'ignore' }), rule(['**/*'], { do: 'sync', to: '/app' })], { obstacle }))
    expect(of(join(ROOT, 'x.js'))).toMatchObject({ action: 'image', why: obstacle.why, targets: [] })
    expect(of(join(ROOT, 'a'))).toMatchObject({ action: 'ignore' })
  })

  test('ignores everything where reload is off, but what defines the workspace', () => {
    const of = classifier(undefined)
    expect(of(join(ROOT, 'x.js'))).toMatchObject({ action: 'ignore', why: 'reload is off for this service' })
    expect(of(join(ROOT, 'service.yaml'))).toMatchObject({ action: 'plan' })
  })

  test('has no place to put files where the working copy is what runs', () => {
    const model = makeModel([makeService('web', { reload: policy([rule(['**/*'], { do: 'sync', to: '/app' })]) })])
    const plan = localise(buildPlan(model), 'process', model)
    const of = compileReload(plan.services[0]!, workspaceFiles(plan, plan.services[0]!))
    expect(of(join(ROOT, 'x.js'))).toMatchObject({ action: 'sync', targets: [], why: 'the working copy is what runs' })
  })

  test('takes every name that a file can have', () => {
    const of = classifier(policy([rule(['**/*'], { do: 'sync', to: '/app' })]))
    const part = fc.string({ unit: 'binary', minLength: 1 }).filter((name) => !/[/\0]/.test(name) && !/^\.\.?$/.test(name))
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 4 }), (parts) => {
        const path = parts.join('/')
        expect(of(`${ROOT}/${path}`)).toMatchObject({ action: 'sync', targets: [`/app/${path}`] })
      }),
      { examples: [[['a\nb', 'c\'"d', 'e f\n']], [['.hidden', '(group)', '[id].js']], [['back\\slash', '!x', '#y', '{a,b}']]] },
    )
  })
})

describe('the rules of the presets', () => {
  const verdicts = async (files: Record<string, string>, paths: string[]): Promise<Record<string, Verdict['action']>> => {
    const root = folderWith(files)
    const model = await loadWorkspace(root, { environment: 'local' })
    const plan = localise(buildPlan(model), 'kind', model)
    const service = plan.services[0]!
    const classify = compileReload(service, workspaceFiles(plan, service))
    return Object.fromEntries(paths.map((path) => [path, classify(join(root, path))!.action]))
  }

  test('of Node.js without a build: files go as they are', async () => {
    const files = {
      'service.yaml': 'name: web\nlanguage: node\ncommand: node src/server.js\n',
      'package.json': '{"scripts":{"test":"x"}}',
    }
    expect(
      await verdicts(files, ['src/server.js', 'views/a.html', 'README.md', 'src/a.test.js', 'package.json', '.env.local']),
    ).toEqual({
      'src/server.js': 'sync',
      'views/a.html': 'sync',
      'README.md': 'ignore',
      'src/a.test.js': 'ignore',
      'package.json': 'image',
      '.env.local': 'ignore',
    })
  })

  test('of Node.js with a build script: what is built comes from src, TypeScript and their settings', async () => {
    const files = {
      'service.yaml': 'name: web\nlanguage: node\n',
      'package.json': '{"scripts":{"build":"tsc"}}',
      'yarn.lock': '',
    }
    const paths = [
      'src/server.ts',
      'src/lib/a.js',
      'tsconfig.json',
      'vite.config.mjs',
      'lib/b.tsx',
      'public/x.css',
      'dist/server.js',
      'yarn.lock',
    ]
    expect(await verdicts(files, paths)).toEqual({
      'src/server.ts': 'build',
      'src/lib/a.js': 'build',
      'tsconfig.json': 'build',
      'vite.config.mjs': 'build',
      'lib/b.tsx': 'build',
      'public/x.css': 'sync',
      'dist/server.js': 'ignore',
      'yarn.lock': 'image',
    })
  })

  test('of Go: everything that may be in the binary is built, by the package that the image builds', async () => {
    const paths = ['main.go', 'go.mod', 'templates/a.html', 'main_test.go', 'x/testdata/a.txt', 'README.md', '.dockerignore']
    const service = { 'service.yaml': 'name: api\nlanguage: go\n' }
    const expected = {
      'main.go': 'build',
      'go.mod': 'build',
      'templates/a.html': 'build',
      'main_test.go': 'ignore',
      'x/testdata/a.txt': 'ignore',
      'README.md': 'ignore',
      '.dockerignore': 'image',
    }
    expect(await verdicts({ ...service, 'main.go': '' }, paths)).toEqual(expected)
    expect(await verdicts({ ...service, 'cmd/api/main.go': '' }, paths)).toEqual(expected)
    const builds = async (files: Record<string, string>) =>
      (await loadWorkspace(folderWith({ ...service, ...files }), { environment: 'local' })).services[0]!.reload!.rules.flatMap(
        (each) => (each.do === 'build' ? [each.run.at(-1)] : []),
      )
    expect(await builds({ 'main.go': '' })).toEqual(['.'])
    expect((await builds({ 'cmd/api/main.go': '' }))[0]).toBe('./cmd/api')
  })

  test('of Python: code goes as it is, dependencies are installed in place by pip, else make an image', async () => {
    const files = { 'service.yaml': 'name: api\nlanguage: python\n', 'requirements.txt': '' }
    expect(
      await verdicts(files, ['main.py', 'requirements.txt', 'tests/test_a.py', 'a/__pycache__/b.pyc', 'templates/a.html']),
    ).toEqual({
      'main.py': 'sync',
      'requirements.txt': 'install',
      'tests/test_a.py': 'ignore',
      'a/__pycache__/b.pyc': 'ignore',
      'templates/a.html': 'sync',
    })
    expect(await verdicts({ ...files, 'uv.lock': '' }, ['requirements.txt', 'uv.lock'])).toEqual({
      'requirements.txt': 'image',
      'uv.lock': 'image',
    })
  })

  test('come after the service’s own', async () => {
    const own = 'reload: { rules: [{ files: [src/**], do: ignore }, { files: ["*.md"], do: sync, restart: none }] }\n'
    const files = { 'service.yaml': `name: web\nlanguage: node\n${own}`, 'package.json': '{}' }
    expect(await verdicts(files, ['src/a.js', 'README.md', 'lib/a.js'])).toEqual({
      'src/a.js': 'ignore',
      'README.md': 'sync',
      'lib/a.js': 'sync',
    })
  })
})

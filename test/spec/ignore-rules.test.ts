import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { compileIgnoreRules, isIgnoreFile } from '../../src/spec/ignore-rules.ts'
import type { ReloadRule } from '../../src/spec/reload-policy.ts'

let base: string
let root: string
beforeEach(() => {
  base = realpathSync(mkdtempSync(join(tmpdir(), 'shiv-ignore-')))
  root = base
})
afterEach(() => rmSync(base, { recursive: true, force: true }))

function write(files: Record<string, string>): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(base, path)), { recursive: true })
    writeFileSync(join(base, path), text)
  }
}
const ignore = (...files: string[]): ReloadRule => ({ files, from: 'preset node', do: 'ignore' })
const sync = (...files: string[]): ReloadRule => ({ files, from: 'service.yaml', do: 'sync', to: '/app' })
const build = (...files: string[]): ReloadRule => ({
  files,
  from: 'preset node',
  do: 'build',
  run: ['tsc'],
  sync: { from: 'dist', to: '/app/dist' },
})

function rulesOf(rules: ReloadRule[] = [], preset?: string[]) {
  return compileIgnoreRules({
    root,
    rules,
    ...(preset && { docker: { context: base, preset: { from: 'preset node', lines: preset } } }),
  })
}
/** Why a path is ignored; one that ends in a slash is a folder. */
const why = (path: string, rules?: ReloadRule[], preset?: string[]) =>
  rulesOf(rules, preset).whyIgnored(path.replace(/\/$/, ''), path.endsWith('/'))

describe("names that are never a service's", () => {
  test.each([
    '.git/',
    'a/.git/HEAD',
    '4913',
    'src/.a.ts.swp',
    'src/a.ts~',
    'src/#a.ts#',
    'src/.#a.ts',
    'a.ts___jb_tmp___',
    'a.ts___jb_old___',
    '.DS_Store',
    'a/Thumbs.db',
    '.goutputstream-AB12',
    '._a.ts',
  ])('%s is ignored, whatever names it', (path) => {
    expect(why(path, [sync(path)])).toMatch(/ \(always\)$/)
  })

  test.each(['.gitignore', '.github/', 'src/a.ts', '4913.ts', 'a.swf', '#a', '.env'])('%s is not', (path) => {
    expect(why(path)).toBeUndefined()
  })
})

test('recordings, and what stands beside them, are ignored by their place; other JSON lines are not', () => {
  const { whyIgnored } = compileIgnoreRules({ root, rules: [sync('**')], recordings: ['recordings/users.jsonl', 'kept/cache'] })
  const told = 'a recording of shiv proxy (always)'
  for (const path of [
    'recordings/users.jsonl',
    'recordings/users.jsonl.journal',
    'recordings/users.jsonl.lock',
    'recordings/users.jsonl.12.3.tmp',
    'kept/cache',
    'kept/cache.journal',
    'kept/cache.7.1.tmp',
  ])
    expect([path, whyIgnored(path, false)]).toEqual([path, told])
  expect(whyIgnored('kept/cache.bodies', true)).toBe(told)
  for (const path of ['fixtures/users.jsonl', 'users.jsonl', 'recordings/other.jsonl', 'kept/cache.ts'])
    expect([path, whyIgnored(path, false)]).toEqual([path, undefined])
})

describe("git's rules", () => {
  test('say where they stand: of the root, of folders below, of folders above up to the repository, and exclude', () => {
    root = join(base, 'services/shop')
    write({
      '.git/info/exclude': 'private\n',
      '.gitignore': '# all\n\n*.log\n/services/shop/anchored\n',
      'services/.gitignore': 'shop/from-above\n',
      'services/shop/.gitignore': 'dist/\n!keep.log\n',
      'services/shop/src/.gitignore': '*\n!.gitignore\n!kept.ts\n',
    })
    expect(why('a.log')).toBe('*.log (.gitignore:3)')
    expect(why('keep.log')).toBeUndefined()
    expect(why('anchored')).toBe('/services/shop/anchored (.gitignore:4)')
    expect(why('src/anchored')).toBe('* (services/shop/src/.gitignore:1)')
    expect(why('from-above')).toBe('shop/from-above (services/.gitignore:1)')
    expect(why('dist/')).toBe('dist/ (services/shop/.gitignore:1)')
    expect(why('dist')).toBeUndefined()
    expect(why('dist/deep/x.js')).toBe('dist/ (services/shop/.gitignore:1)')
    expect(why('src/kept.ts')).toBeUndefined()
    expect(why('private')).toBe('private (.git/info/exclude:1)')
  })

  test('what a nearer file takes back is taken back for all that is in it', () => {
    execFileSync('git', ['init', '-q'], { cwd: base })
    write({ '.gitignore': 'b\na/c\n', 'a/.gitignore': '!**/\n', 'a/[x]/.gitignore': '!b\n/only\n' })
    expect([why('b/file'), why('a/b/file'), why('a/c/file')]).toEqual(['b (.gitignore:1)', undefined, undefined])
    expect([why('a/[x]/b/file'), why('a/[x]/only'), why('a/x/only')]).toEqual([
      undefined,
      '/only (a/[x]/.gitignore:2)',
      undefined,
    ])
  })

  test('of a folder above do not count where there is no repository', () => {
    root = join(base, 'service')
    write({ '.gitignore': 'a', 'service/.gitignore': 'b' })
    expect([why('a'), why('b')]).toEqual([undefined, 'b (.gitignore:1)'])
  })

  test("are git's own, whatever is written", () => {
    execFileSync('git', ['init', '-q'], { cwd: base })
    const name = fc.constantFrom('a', 'b', 'c.ts', 'd.log')
    const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'))
    const pattern = fc
      .tuple(
        fc.constantFrom('', '!', '/', '!/'),
        fc.array(fc.constantFrom('a', 'b', '*', '**', '*.ts', '?', '[ab]', 'd.log'), { minLength: 1, maxLength: 3 }),
        fc.constantFrom('', '/'),
      )
      .map(([before, parts, after]) => before + parts.join('/') + after)
    const files = fc.record({
      '.gitignore': fc.array(pattern, { maxLength: 4 }),
      'a/.gitignore': fc.array(pattern, { maxLength: 3 }),
    })
    fc.assert(
      fc.property(files, fc.uniqueArray(path, { minLength: 1, maxLength: 8 }), (files, paths) => {
        rmSync(join(base, 'a'), { recursive: true, force: true })
        write(Object.fromEntries(Object.entries(files).map(([file, lines]) => [file, lines.join('\n')])))
        // For git, too, `a` is the folder that it is.
        const rules = rulesOf()
        const ours = paths.filter((path) => rules.whyIgnored(path, path === 'a') !== undefined)
        expect(ours).toEqual(paths.filter((path) => isIgnoredByGit(path)))
      }),
      { numRuns: 60 },
    )
  })

  function isIgnoredByGit(path: string): boolean {
    try {
      execFileSync('git', ['check-ignore', '-q', '--no-index', path], { cwd: base, stdio: 'ignore' })
      return true
    } catch {
      return false
    }
  }
})

describe("Docker's rules", () => {
  test("are the preset's lines, then the service's own, which may take back", () => {
    write({ '.dockerignore': 'docs\n!docs/served\n*.md\n!README.md\n' })
    const preset = ['**/node_modules', '**/.env*']
    expect(why('node_modules/', [], preset)).toBe('**/node_modules (preset node)')
    expect(why('a/node_modules/b/c.js', [], preset)).toBe('**/node_modules (preset node)')
    expect(why('.env.local', [], preset)).toBe('**/.env* (preset node)')
    expect(why('docs/a.html', [], preset)).toBe('docs (.dockerignore:1)')
    expect(why('docs/', [], preset)).toBeUndefined()
    expect(why('docs/served/a.html', [], preset)).toBeUndefined()
    expect(why('CHANGES.md', [], preset)).toBe('*.md (.dockerignore:3)')
    expect(why('README.md', [], preset)).toBeUndefined()
  })

  test('are relative to the folder that the image is built from, and silent outside of it', () => {
    root = join(base, 'services/shop')
    write({ '.dockerignore': 'services/shop/notes' })
    expect(why('notes', [], [])).toBe('services/shop/notes (.dockerignore:1)')
    const elsewhere = compileIgnoreRules({
      root,
      rules: [],
      docker: { context: join(base, 'other'), preset: { from: 'preset node', lines: ['**'] } },
    })
    expect(elsewhere.whyIgnored('a.ts', false)).toBeUndefined()
  })

  test('do not keep from the host what it builds from; what the preset leaves out stays out', () => {
    write({ '.dockerignore': '*\n!dist\n' })
    const rules = [build('**/*.ts'), sync('**/*')]
    expect(why('src/', rules, ['**/node_modules'])).toBeUndefined()
    expect(why('src/a.ts', rules, ['**/node_modules'])).toBeUndefined()
    expect(why('src/a.png', rules, ['**/node_modules'])).toBe('* (.dockerignore:1)')
    expect(why('node_modules/', rules, ['**/node_modules'])).toBe('**/node_modules (preset node)')
    expect(why('src/', [sync('**/*')], [])).toBe('* (.dockerignore:1)')
  })
})

describe('reload rules', () => {
  test('ignore what they match, and a folder when all in it is', () => {
    const rules = [ignore('node_modules/**', '**/*.md', '*.log', '**/__pycache__/**', 'tmp'), sync('**/*')]
    expect(why('node_modules/', rules)).toBe('node_modules/** (preset node)')
    expect(why('a/b/__pycache__/', rules)).toBe('**/__pycache__/** (preset node)')
    expect(why('docs/a.md', rules)).toBe('**/*.md (preset node)')
    expect(why('docs.md/', rules)).toBeUndefined()
    expect(why('a.log', rules)).toBe('*.log (preset node)')
    expect(why('logs/a.log', rules)).toBeUndefined()
    expect(why('tmp/a', rules)).toBe('tmp (preset node)')
  })

  test('that name a path win over git and Docker, and open its folders for it alone', () => {
    write({ '.gitignore': '.env*\nsecrets/\n', '.dockerignore': 'secrets\n' })
    const rules = [sync('.env.development', './secrets/dev.json'), sync('**/*')]
    expect(why('.env.development', rules, ['**/.env*'])).toBeUndefined()
    expect(why('.env.test', rules, ['**/.env*'])).toBe('.env* (.gitignore:1)')
    expect(why('secrets/', rules, [])).toBeUndefined()
    expect(why('secrets/dev.json', rules, [])).toBeUndefined()
    expect(why('secrets/prod.json', rules, [])).toBe('secrets/ (.gitignore:2)')
    expect(why('.env.development', [sync('**/*')])).toBe('.env* (.gitignore:1)')
  })

  test('are asked in their order', () => {
    expect(why('dist/config.json', [sync('dist/*.json'), ignore('dist/**')])).toBeUndefined()
    expect(why('dist/app.js', [sync('dist/*.json'), ignore('dist/**')])).toBe('dist/** (preset node)')
    expect(why('dist/config.json', [ignore('dist/**'), sync('dist/config.json')])).toBe('dist/** (preset node)')
  })
})

test('a watcher is told of a folder before what is in it, and gets the same answer', () => {
  write({ '.gitignore': 'dist/\n*.log\n' })
  const rules = rulesOf([ignore('coverage/**')], ['vendor'])
  for (const path of ['dist', 'coverage', 'vendor', '.git']) expect(rules.isIgnored(path, true)).toBe(true)
  for (const path of ['a.log', '.DS_Store']) expect(rules.isIgnored(path, false)).toBe(true)
  for (const path of ['src/a.ts', 'dist']) expect(rules.isIgnored(path, false)).toBe(false)
})

test('the files that make the rules are known', () => {
  expect(['.gitignore', 'a/.gitignore', '.dockerignore', 'Dockerfile.dockerignore'].every(isIgnoreFile)).toBe(true)
  expect(['a.gitignore', 'gitignore', '.dockerignore/x'].some(isIgnoreFile)).toBe(false)
})

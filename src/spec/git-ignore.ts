import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, relative, sep } from 'node:path'
import ignore from 'ignore'

interface Matcher {
  /** How many characters of a path, relative to the repository's root, stand for the folder of the .gitignore. */
  skip: number
  matches: ignore.Ignore
}

/** Git's rules for what is below a folder: each .gitignore from the repository's root downwards, and `.git/info/exclude`. Each is read when it is first needed, once. */
export class GitIgnore {
  private readonly repository: string
  /** Of the folder, relative to the repository's root, with a slash at its end; empty when it is the root. */
  private readonly prefix: string
  /** By folder relative to the repository's root: the nearest first. */
  private readonly matchers = new Map<string, Matcher[]>()

  constructor(folder: string) {
    this.repository = findRepository(folder) ?? folder
    const inside = relative(this.repository, folder).replaceAll(sep, '/')
    this.prefix = inside === '' ? '' : `${inside}/`
  }

  /** The rule that ignores a path relative to the folder, and where it stands. */
  find(path: string, isFolder: boolean): string | undefined {
    const full = this.prefix + path
    const slash = full.lastIndexOf('/')
    for (const { skip, matches } of this.matchersOf(slash < 0 ? '' : full.slice(0, slash))) {
      const { ignored, unignored, rule } = matches.test(full.slice(skip) + (isFolder ? '/' : ''))
      if (ignored) return `${rule?.pattern} (${rule?.mark})`
      if (unignored) return undefined
    }
    return undefined
  }

  private matchersOf(folder: string): Matcher[] {
    const known = this.matchers.get(folder)
    if (known !== undefined) return known
    const slash = folder.lastIndexOf('/')
    const above = folder === '' ? this.readExclude() : this.matchersOf(slash < 0 ? '' : folder.slice(0, slash))
    const own = this.read(folder === '' ? '.gitignore' : `${folder}/.gitignore`, folder === '' ? 0 : folder.length + 1)
    const matchers = own === undefined ? above : [own, ...above]
    this.matchers.set(folder, matchers)
    return matchers
  }

  private readExclude(): Matcher[] {
    const exclude = this.read('.git/info/exclude', 0)
    return exclude === undefined ? [] : [exclude]
  }

  private read(file: string, skip: number): Matcher | undefined {
    const path = join(this.repository, file)
    if (!existsSync(path)) return undefined
    const patterns = readRules(path).map(({ text, line }) => ({ pattern: text, mark: `${file}:${line}` }))
    return patterns.length === 0
      ? undefined
      : { skip, matches: ignore({ ignorecase: process.platform !== 'linux' }).add(patterns) }
  }
}

/** The rules of an ignore file with their lines; what cannot be read has none, as for git. */
export function readRules(path: string): { text: string; line: number }[] {
  try {
    return readFileSync(path, 'utf8')
      .replace(/^\uFEFF/, '')
      .split(/\r?\n/)
      .map((text, index) => ({ text, line: index + 1 }))
      .filter(({ text }) => text.trim() !== '' && !text.startsWith('#'))
  } catch {
    return []
  }
}

function findRepository(folder: string): string | undefined {
  if (existsSync(join(folder, '.git'))) return folder
  const parent = dirname(folder)
  return parent === folder ? undefined : findRepository(parent)
}

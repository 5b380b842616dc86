import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, relative, sep } from 'node:path'
import ignore from 'ignore'
import { mayMatch } from './may-match.ts'

interface Matcher {
  /** How many characters of a path, relative to the repository's root, stand for the folder of the .gitignore. */
  skip: number
  patterns: string[]
  matches: ignore.Ignore
}

/** Of a folder: its matchers, the nearest first, and what none of them matches can skip. */
interface Chain {
  matchers: Matcher[]
  may: RegExp
}

/** Git's rules for what is below a folder: each .gitignore from the repository's root downwards, and `.git/info/exclude`. Each is read when it is first needed, once. */
export class GitIgnore {
  private readonly repository: string
  /** Of the folder, relative to the repository's root, with a slash at its end; empty when it is the root. */
  private readonly prefix: string
  /** By folder relative to the repository's root. */
  private readonly chains = new Map<string, Chain>()

  constructor(folder: string) {
    this.repository = findRepository(folder) ?? folder
    const inside = relative(this.repository, folder).replaceAll(sep, '/')
    this.prefix = inside === '' ? '' : `${inside}/`
  }

  /** Whether `find` may find a rule: quickly, and sometimes wrongly so. */
  mayFind(path: string): boolean {
    const full = this.prefix + path
    return this.chainOf(parentOf(full)).may.test(full)
  }

  /** The rule that ignores a path relative to the folder, and where it stands. */
  find(path: string, isFolder: boolean): string | undefined {
    const full = this.prefix + path
    for (const { skip, matches } of this.chainOf(parentOf(full)).matchers) {
      const { ignored, unignored, rule } = matches.test(full.slice(skip) + (isFolder ? '/' : ''))
      if (ignored) return `${rule?.pattern} (${rule?.mark})`
      if (unignored) return undefined
    }
    return undefined
  }

  private chainOf(folder: string): Chain {
    const known = this.chains.get(folder)
    if (known !== undefined) return known
    const above = folder === '' ? chain(this.readExclude()) : this.chainOf(parentOf(folder))
    const own = this.read(folder === '' ? '.gitignore' : `${folder}/.gitignore`, folder === '' ? 0 : folder.length + 1)
    const made = own === undefined ? above : chain([own, ...above.matchers])
    this.chains.set(folder, made)
    return made
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
      : {
          skip,
          patterns: patterns.map(({ pattern }) => pattern),
          matches: ignore({ ignorecase: process.platform !== 'linux' }).add(patterns),
        }
  }
}

function chain(matchers: Matcher[]): Chain {
  return { matchers, may: mayMatch(matchers.flatMap(({ patterns }) => patterns)) }
}

function parentOf(path: string): string {
  const slash = path.lastIndexOf('/')
  return slash < 0 ? '' : path.slice(0, slash)
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

import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, relative, sep } from 'node:path'
import ignore from 'ignore'
import { mayMatch } from './may-match.ts'

interface Rule {
  /** Relative to the repository's root. */
  pattern: string
  /** As it is written, and where. */
  mark: string
}

/** Of a folder: every rule from the root down to it, the nearest last, and what none of them matches can skip. */
interface Chain {
  rules: Rule[]
  matches: ignore.Ignore
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
    const { ignored, rule } = this.chainOf(parentOf(full)).matches.test(full + (isFolder ? '/' : ''))
    return ignored ? rule?.mark : undefined
  }

  private chainOf(folder: string): Chain {
    const known = this.chains.get(folder)
    if (known !== undefined) return known
    const above = folder === '' ? chain(this.read('.git/info/exclude', '')) : this.chainOf(parentOf(folder))
    const own = this.read(folder === '' ? '.gitignore' : `${folder}/.gitignore`, folder)
    const made = own.length === 0 ? above : chain([...above.rules, ...own])
    this.chains.set(folder, made)
    return made
  }

  private read(file: string, folder: string): Rule[] {
    const path = join(this.repository, file)
    if (!existsSync(path)) return []
    return readRules(path).map(({ text, line }) => ({ pattern: below(folder, text), mark: `${text} (${file}:${line})` }))
  }
}

function chain(rules: Rule[]): Chain {
  const matches = ignore({ ignorecase: process.platform !== 'linux' }).add(rules)
  return { rules, matches, may: mayMatch(rules.map(({ pattern }) => pattern)) }
}

/** A rule of a folder's own file as one of the root's: all rules stand in one order then, and a folder that a nearer file takes back is taken back for what is in it. */
function below(folder: string, rule: string): string {
  if (folder === '') return rule
  const negated = rule.startsWith('!') ? '!' : ''
  const pattern = rule.slice(negated.length)
  const anchored = /\/(?!\s*$)/.test(pattern)
  const literal = folder.replace(/[\\*?[\] ]/g, '\\$&')
  return `${negated}/${literal}/${anchored ? pattern.replace(/^\//, '') : `**/${pattern}`}`
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

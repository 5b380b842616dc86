import { existsSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import dockerignore from '@balena/dockerignore'
import { readRules } from './git-ignore.ts'
import { mayMatch } from './may-match.ts'

// The type declares an ES default; the module is CommonJS.
const create = dockerignore as unknown as typeof dockerignore.default

export interface DockerIgnoreSource {
  /** The folder that is watched. */
  root: string
  /** The folder that the image is built from. */
  context: string
  /** Relative to the context; its own `.dockerignore` wins over that of the context. */
  dockerfile?: string
  /** The preset's lines, which come first. */
  preset: { from: string; lines: string[] }
}

interface Rule {
  text: string
  from: string
}

/** What does not get into an image, by Docker's own rules: the preset's lines, then those of the .dockerignore that applies. */
export class DockerIgnore {
  private readonly source: DockerIgnoreSource
  private readonly rules: Rule[]
  private readonly may: RegExp
  private readonly isOut: (path: string) => boolean
  private readonly isOutByPreset: (path: string) => boolean
  private readonly exceptions: string[]
  /** Of the root, relative to the context; undefined when the root is not in it. */
  private readonly prefix: string | undefined

  constructor(source: DockerIgnoreSource) {
    this.source = source
    const preset = source.preset.lines.map((text) => ({ text, from: source.preset.from }))
    const own = readOwn(source)
    this.rules = [...preset, ...own]
    this.may = mayMatch(this.rules.map(({ text }) => text))
    this.isOut = compile(this.rules)
    this.isOutByPreset = own.length === 0 ? this.isOut : compile(preset)
    this.exceptions = this.rules.filter(({ text }) => text.startsWith('!')).map(({ text }) => baseOf(text.slice(1)))
    const inside = relative(source.context, source.root).replaceAll(sep, '/')
    this.prefix = inside.startsWith('..') ? undefined : inside === '' ? '' : `${inside}/`
  }

  /** Whether `find` may find a rule: quickly, and sometimes wrongly so. */
  mayFind(path: string): boolean {
    return this.prefix !== undefined && this.may.test(this.prefix + path)
  }

  /** The rule that keeps a path of the root out. `isForHost`: what the host builds from is not kept out by the service's own file. */
  find(path: string, isFolder: boolean, isForHost: () => boolean): (() => string) | undefined {
    if (this.prefix === undefined) return undefined
    const full = this.prefix + path
    if (!this.isOut(full) || (isFolder && this.exceptions.some((base) => mayLieIn(base, full)))) return undefined
    if (!this.isOutByPreset(full) && isForHost()) return undefined
    return () => this.explain(full)
  }

  /** The last rule that turned the path from in to out. */
  private explain(full: string): string {
    const last = this.rules.findLastIndex(({ text }, index) => !text.startsWith('!') && isDecisive(this.rules, index, full))
    const { text, from } = this.rules[last] ?? { text: '', from: this.source.preset.from }
    return `${text} (${from})`
  }
}

/** Whether a path is out with the rules up to this one, and in with those before it. */
function isDecisive(rules: Rule[], index: number, full: string): boolean {
  return compile(rules.slice(0, index + 1))(full) && !compile(rules.slice(0, index))(full)
}

function compile(rules: Rule[]): (path: string) => boolean {
  if (rules.length === 0) return () => false
  const matcher = create().add(rules.map(({ text }) => text))
  return (path) => matcher.ignores(path)
}

/** The folders of a pattern before its first wildcard. */
function baseOf(pattern: string): string {
  const parts = pattern.replace(/^\//, '').split('/')
  const wild = parts.findIndex((part) => /[*?[\\]/.test(part))
  return (wild < 0 ? parts : parts.slice(0, wild)).join('/')
}

/** Whether an exception may let something of a folder in; one that begins with a wildcard does not, or nothing were ever left out as a whole. */
function mayLieIn(base: string, folder: string): boolean {
  return base !== '' && (`${base}/`.startsWith(`${folder}/`) || folder.startsWith(`${base}/`))
}

function readOwn({ context, dockerfile }: DockerIgnoreSource): Rule[] {
  const names = [...(dockerfile === undefined ? [] : [`${dockerfile}.dockerignore`]), '.dockerignore']
  const name = names.find((name) => existsSync(join(context, name)))
  return name === undefined
    ? []
    : readRules(join(context, name)).map(({ text, line }) => ({ text: text.trim(), from: `${name}:${line}` }))
}

import picomatch from 'picomatch'
import { mayMatch } from './may-match.ts'
import type { ReloadRule } from './reload-policy.ts'

interface Compiled {
  rule: ReloadRule
  matches: (path: string) => boolean
  /** Paths that it names without a wildcard. */
  literals: string[]
  /** Of each glob, the folder that all of its matches are in; empty for one that may match anywhere. */
  bases: string[]
}

/** What a policy says of a path: ignored by a rule, wanted because a rule names it, or nothing. */
export type Word = { ignoredBy: string } | 'wanted' | undefined

/** The rules of a policy, as far as they decide what is watched. */
export class ReloadIgnore {
  private readonly rules: Compiled[]
  private readonly may: RegExp

  constructor(rules: ReloadRule[]) {
    this.rules = rules.map(compile)
    this.may = mayMatch(rules.flatMap((rule) => (rule.do === 'ignore' ? rule.files : [])))
  }

  /** Whether a rule may ignore a path: quickly, and sometimes wrongly so. */
  mayIgnore(path: string): boolean {
    return this.may.test(path)
  }

  /** Of a file or link. */
  ofFile(path: string): Word {
    const first = this.rules.find(({ matches }) => matches(path))
    if (first?.rule.do === 'ignore') return { ignoredBy: nameOf(first, path) }
    return first?.literals.includes(path) ? 'wanted' : undefined
  }

  /** Of a folder: ignored when all in it is, wanted when a rule names something in it. */
  ofFolder(path: string): Word {
    let mayHold = false
    for (const compiled of this.rules) {
      const { rule, literals, bases } = compiled
      if (rule.do === 'ignore' && !mayHold && covers(compiled, path)) return { ignoredBy: nameOf(compiled, `${path}/x`, path) }
      if (rule.do === 'ignore') continue
      if (literals.some((literal) => literal.startsWith(`${path}/`))) return 'wanted'
      mayHold ||= bases.some((base) => base !== '' && isWithin(base, path))
    }
    return undefined
  }

  /** Whether the host builds something from a file, or from what may be in a folder. */
  isForHost(path: string, isFolder: boolean): boolean {
    const builds = this.rules.filter(({ rule }) => rule.do === 'build')
    if (!isFolder) return builds.length > 0 && this.rules.find(({ matches }) => matches(path))?.rule.do === 'build'
    return builds.some(({ bases }) => bases.some((base) => isWithin(base, path) || isWithin(path, base)))
  }
}

function compile(rule: ReloadRule): Compiled {
  const files = rule.files.map((glob) => glob.replace(/^\.\//, ''))
  const scanned = files.map((glob) => picomatch.scan(glob))
  return {
    rule,
    matches: picomatch(files, { dot: true }),
    literals: files.filter((_, index) => scanned[index]?.isGlob === false && scanned[index]?.negated === false),
    bases: scanned.map(({ base, isGlob }, index) => (isGlob ? base : (files[index] ?? ''))),
  }
}

/** Whether all in a folder matches, however deep. */
function covers({ matches, literals }: Compiled, path: string): boolean {
  return literals.includes(path) || (matches(`${path}/x`) && matches(`${path}/x/x`) && matches(`${path}/.x`))
}

/** Whether `inner` is `outer` or in it; everything is in the empty path. */
function isWithin(inner: string, outer: string): boolean {
  return outer === '' || inner === outer || inner.startsWith(`${outer}/`)
}

function nameOf({ rule }: Compiled, ...paths: string[]): string {
  const glob = rule.files.find((glob) => paths.some((path) => picomatch.isMatch(path, glob, { dot: true }))) ?? rule.files[0]
  return `${glob} (${rule.from})`
}

import { alwaysIgnored } from './always-ignored.ts'
import { DockerIgnore, type DockerIgnoreSource } from './docker-ignore.ts'
import { GitIgnore } from './git-ignore.ts'
import { ReloadIgnore } from './reload-ignore.ts'
import type { ReloadRule } from './reload-policy.ts'

export interface IgnoreSources {
  /** The folder that is watched: real path. */
  root: string
  /** Of the policy, in its order. */
  rules: ReloadRule[]
  /** Absent where no image is built. */
  docker?: Omit<DockerIgnoreSource, 'root'>
  /** Files below the root that shiv itself writes while the service runs: recordings. */
  recordings?: readonly string[]
}

/** What of a service's folder is not watched. Paths are relative to it, with `/` between. */
export interface IgnoreRules {
  /** Of a path whose folders are not ignored, as a watcher asks. */
  isIgnored(path: string, isFolder: boolean): boolean
  /** The rule that ignores a path, or a folder that it is in, and where it stands: `dist/ (.gitignore:3)`. */
  whyIgnored(path: string, isFolder: boolean): string | undefined
}

/**
 * Puts the rules of all sources together. In this order the first that has a word on a path decides: names that are never a service's, and recordings; the reload
 * rules, by ignoring a path or by naming it; git's; Docker's. Files are read once: a change of one (`isIgnoreFile`) wants new rules.
 */
export function compileIgnoreRules({ root, rules, docker, recordings = [] }: IgnoreSources): IgnoreRules {
  const reload = new ReloadIgnore(rules)
  const git = new GitIgnore(root)
  const image = docker && new DockerIgnore({ ...docker, root })
  const recorded = new Set(recordings)

  const decide = (path: string, isFolder: boolean): (() => string) | undefined => {
    const always = alwaysIgnored(path.slice(path.lastIndexOf('/') + 1))
    if (always !== undefined) return () => `${always} (always)`
    if (recorded.has(path.replace(BESIDE_RECORDING, ''))) return () => 'a recording of shiv proxy (always)'
    const mayGit = git.mayFind(path)
    const mayImage = image?.mayFind(path) ?? false
    if (!mayGit && !mayImage && !reload.mayIgnore(path)) return undefined
    const word = isFolder ? reload.ofFolder(path) : reload.ofFile(path)
    if (word === 'wanted') return undefined
    if (word !== undefined) return () => word.ignoredBy
    const byGit = mayGit ? git.find(path, isFolder) : undefined
    if (byGit !== undefined) return () => byGit
    return mayImage ? image?.find(path, isFolder, () => reload.isForHost(path, isFolder)) : undefined
  }

  return {
    isIgnored: (path, isFolder) => decide(path, isFolder) !== undefined,
    whyIgnored(path, isFolder) {
      for (let slash = path.indexOf('/'); slash >= 0; slash = path.indexOf('/', slash + 1)) {
        const why = decide(path.slice(0, slash), true)
        if (why !== undefined) return why()
      }
      return decide(path, isFolder)?.()
    },
  }
}

/** What stands beside a recording while it is written, and its bodies. */
const BESIDE_RECORDING = /\.(?:journal|lock|bodies|\d+\.\d+\.tmp)$/

/** Whether a change of this path changes what is ignored. */
export function isIgnoreFile(path: string): boolean {
  return /(^|\/)\.gitignore$|(^|\/)[^/]*\.dockerignore$/.test(path)
}

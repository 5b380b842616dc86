import picomatch from 'picomatch'

/** A dot begins a name like any other; only `*`, `**`, `?`, `[]` and `{}` have a meaning; a name may hold a newline or a backslash. */
const OPTIONS = { dot: true, nonegate: true, noextglob: true, windows: false, flags: 's' }

/** Whether one of the globs matches a path relative to the folder that they are relative to, `/` between its parts. Compiled once. */
export function compileGlobs(globs: string[]): (path: string) => boolean {
  return picomatch(globs, OPTIONS)
}

/** What is wrong with a glob, as the end of a sentence; undefined when it is right. */
export function globProblem(glob: string): string | undefined {
  if (glob === '') return 'is an empty glob'
  if (glob.startsWith('/') || glob.split('/').includes('..')) return "leaves the service's folder"
  if (glob.startsWith('./')) return 'matches nothing: paths begin without ./'
  if (glob.startsWith('!')) return 'is a negation, and rules have none: put a rule with do: ignore before this one'
  if (glob.includes('\\')) return 'has a backslash; parts of a path are joined by /'
  return isReadable(glob) ? undefined : 'cannot be read: a bracket of it is not closed'
}

function isReadable(glob: string): boolean {
  try {
    picomatch.makeRe(glob, { ...OPTIONS, strictBrackets: true, debug: true })
    return true
  } catch {
    return false // the caller says so
  }
}

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import ignore from '@balena/dockerignore'

/** Never part of a build, whatever a .dockerignore says: a developer's own secrets. */
const secrets = ['**/.env.local', '**/.env.*.local']

export interface IgnoreRules {
  /** In the order in which they apply, as a .dockerignore would hold them. */
  lines: string[]
  /** Whether a path, relative to the context with `/` between, stays out. */
  ignores(path: string): boolean
  /** Whether an ignored folder may still hold something that counts. */
  mayReinclude: boolean
}

/** Docker's own rules: `DOCKERFILE.dockerignore` wins over `.dockerignore`; then the preset's lines, then the developer's secrets. */
export async function readIgnoreRules(context: string, dockerfile: string | undefined, preset: string[]): Promise<IgnoreRules> {
  const own =
    (dockerfile === undefined ? undefined : await readLines(`${dockerfile}.dockerignore`)) ??
    (await readLines(join(context, '.dockerignore'))) ??
    []
  const lines = [...preset, ...own, ...secrets]
  // The type declares an ES default; the module is CommonJS.
  const matcher = (ignore as unknown as typeof ignore.default)().add(lines)
  return { lines, ignores: (path) => matcher.ignores(path), mayReinclude: lines.some((line) => line.startsWith('!')) }
}

async function readLines(path: string): Promise<string[] | undefined> {
  try {
    const text = await readFile(path, 'utf8')
    return text
      .replace(/^\uFEFF/, '')
      .split(/\r?\n/)
      .map((line) => line.trim())
      .filter((line) => line !== '' && !line.startsWith('#'))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

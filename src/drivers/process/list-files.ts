import { existsSync, readdirSync, statSync } from 'node:fs'
import { join, relative } from 'node:path'

/** Folders that no input of a build step lies in, however wide its pattern. */
const NEVER = new Set(['node_modules', '.git', '.venv', '__pycache__'])

/** Every file below a folder, relative to it, sorted; whole folders that `skip` names are not entered. */
export function listFiles(root: string, skip: (path: string) => boolean = () => false): string[] {
  const found: string[] = []
  const visit = (folder: string) => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name)
      const name = relative(root, path)
      if (NEVER.has(entry.name) || skip(name)) continue
      if (entry.isDirectory()) visit(path)
      else if (entry.isFile()) found.push(name)
    }
  }
  if (existsSync(root)) visit(root)
  return found.sort()
}

/** Files that any of the globs names: `*` within a folder, `**` over folders, `?`, `{a,b}`; a plain name is a file or a folder's content. */
export function matchFiles(files: string[], globs: string[]): string[] {
  const patterns = globs.map(toPattern)
  return files.filter((file) => patterns.some((pattern) => pattern.test(file)))
}

/** Size and time of change of files, enough to see an edit without reading them. */
export function statOf(root: string, files: string[]): [string, number, number][] {
  return files.map((file) => {
    const { size, mtimeMs } = statSync(join(root, file))
    return [file, size, mtimeMs]
  })
}

export function toPattern(glob: string): RegExp {
  let source = ''
  let depth = 0
  for (let at = 0; at < glob.length; at += 1) {
    const rest = glob.slice(at)
    const char = glob.charAt(at)
    if (rest.startsWith('**/')) [source, at] = [`${source}(?:.*/)?`, at + 2]
    else if (rest.startsWith('**')) [source, at] = [`${source}.*`, at + 1]
    else if (char === '*') source += '[^/]*'
    else if (char === '?') source += '[^/]'
    else if (char === '{') [source, depth] = [`${source}(?:`, depth + 1]
    else if (char === '}' && depth > 0) [source, depth] = [`${source})`, depth - 1]
    else if (char === ',' && depth > 0) source += '|'
    else source += char.replaceAll(/[.+^$()|[\]\\{}]/g, String.raw`\$&`)
  }
  return new RegExp(`^${source}(?:/.*)?$`)
}

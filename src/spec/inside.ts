import { isAbsolute, relative, sep } from 'node:path'

/** Whether `path` is `root` or below it, by the text of both. */
export function isInside(root: string, path: string): boolean {
  const way = relative(root, path)
  return way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way)
}

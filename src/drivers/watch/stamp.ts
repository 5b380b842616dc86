import { lstatSync, type Stats } from 'node:fs'

/** What stands at a path, links not followed; undefined when nothing does. */
export function lookAt(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOTDIR') return undefined
    throw error
  }
}

/** A text that changes whenever what stands at a path may have changed: a file or link by its content, a folder by being another one. Undefined: nothing stands there. */
export function stampOf(path: string): string | undefined {
  const stat = lookAt(path)
  if (stat === undefined) return undefined
  if (stat.isDirectory()) return `folder:${stat.dev}:${stat.ino}:${stat.birthtimeMs}`
  return `${stat.mode}:${stat.size}:${stat.mtimeMs}:${stat.ctimeMs}:${stat.ino}`
}

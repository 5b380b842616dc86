import { watch, type FSWatcher } from 'node:fs'
import { dirname } from 'node:path'
import { lookAt } from './stamp.ts'

const PAUSE_MS = 500

/** Calls `back` once, when `root` is a folder again: watches the nearest ancestor that is there, and polls where no watch can be had. Returns what ends the wait. */
export function awaitRoot(root: string, back: () => void): () => void {
  let handle: FSWatcher | undefined
  let timer: NodeJS.Timeout | undefined
  let isOver = false
  const end = () => {
    isOver = true
    handle?.close()
    clearTimeout(timer)
  }
  const look = (): void => {
    if (isOver) return
    handle?.close()
    handle = undefined
    if (isFolder(root)) {
      end()
      back()
      return
    }
    const ancestor = nearestFolder(root)
    try {
      handle = watch(ancestor, () => setImmediate(look)).on('error', () => setImmediate(look))
      // What came between the look and the watch.
      if (nearestFolder(root) !== ancestor || isFolder(root)) setImmediate(look)
    } catch {
      // No watch to be had, or the ancestor went as well: both are looked at again.
      timer = setTimeout(look, PAUSE_MS)
    }
  }
  look()
  return end
}

/** Whether a folder itself, no link to one, stands there. */
export function isFolder(path: string): boolean {
  try {
    return lookAt(path)?.isDirectory() ?? false
  } catch {
    // It cannot be reached: for a watcher as good as gone.
    return false
  }
}

function nearestFolder(path: string): string {
  const parent = dirname(path)
  return parent === path || isFolder(parent) ? parent : nearestFolder(parent)
}

import type { SourceTree } from './source-tree.ts'

/** An editor that writes in place empties the file first; the bytes follow within this. */
const EMPTY_MS = 5
/** A new file is often an editor's, on its way to another name; nothing that runs asks for it yet. */
const NEW_MS = 20
/** A branch switch writes its files one after the other; it is one edit. */
const BURST_MS = 25
const BURST_FILES = 20

/**
 * Milliseconds that are worth waiting before these changes are acted on, since what is seen may be the beginning only: 0 for a file that was
 * there before and has bytes, which is what a save is. `known` are the paths that were there before.
 */
export function pauseFor(changed: ReadonlySet<string>, known: ReadonlySet<string>, tree: SourceTree): number {
  if (changed.size >= BURST_FILES) return BURST_MS
  const paths = [...changed]
  if (paths.length > 0 && paths.every((path) => !known.has(path) && tree.files.has(path))) return NEW_MS
  return paths.some((path) => tree.files.get(path)?.sizeBytes === 0) ? EMPTY_MS : 0
}

import type { FSWatcher } from 'node:fs'

/** What is known of a watched folder: enough to name everything that vanishes with it. */
export interface Folder {
  /** Relative to the root; empty for the root. */
  path: string
  parent: Folder | undefined
  name: string
  /** Files and links. */
  files: Set<string>
  folders: Map<string, Folder>
  /** Absent: the folder is polled, or cannot be read. */
  handle: FSWatcher | undefined
  isDetached: boolean
}

/** A folder of which nothing is known yet. */
export function newFolder(parent: Folder | undefined, name: string): Folder {
  const path = parent === undefined ? '' : pathIn(parent, name)
  return { path, parent, name, files: new Set(), folders: new Map(), handle: undefined, isDetached: false }
}

/** The path of something in a folder, relative to the root. */
export function pathIn(folder: Folder, name: string): string {
  return folder.path === '' ? name : `${folder.path}/${name}`
}

/** A folder and all below it. */
export function* withDescendants(folder: Folder): Generator<Folder> {
  yield folder
  for (const child of folder.folders.values()) yield* withDescendants(child)
}

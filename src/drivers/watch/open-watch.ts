import { watch, type FSWatcher } from 'node:fs'

/** Sets a watch on one folder; throws what the system says. */
export type OpenWatch = (path: string, heard: (type: string, name: Buffer | null) => void) => FSWatcher

/** The system's own. Names come as bytes: they need not be text. */
export const openFolder: OpenWatch = (path, heard) => watch(path, { encoding: 'buffer' }, heard)

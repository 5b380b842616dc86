import { isUtf8 } from 'node:buffer'
import { readdirSync, type Dirent } from 'node:fs'

export interface Listing {
  /** Files and symbolic links; sockets, pipes and devices are left out. */
  files: string[]
  folders: string[]
  /** Names that are no UTF-8, as they can be shown. */
  unreadable: string[]
}

/** What stands in a folder. Throws what the file system says. */
export function listFolder(path: string): Listing {
  const listing: Listing = { files: [], folders: [], unreadable: [] }
  const entries = readdirSync(path, { withFileTypes: true })
  // A broken name decodes to U+FFFD, which a sound name may hold too: only the bytes tell.
  if (!entries.some(({ name }) => name.includes('\uFFFD'))) for (const entry of entries) sort(entry, entry.name, listing)
  else
    for (const entry of readdirSync(path, { withFileTypes: true, encoding: 'buffer' })) {
      const name = decodeName(entry.name)
      if (name === undefined) listing.unreadable.push(showName(entry.name))
      else sort(entry, name, listing)
    }
  return listing
}

function sort(entry: Dirent | Dirent<Buffer>, name: string, { files, folders }: Listing): void {
  if (entry.isDirectory()) folders.push(name)
  else if (entry.isFile() || entry.isSymbolicLink()) files.push(name)
}

/** A name as text; undefined when its bytes are no UTF-8. */
export function decodeName(bytes: Buffer): string | undefined {
  return isUtf8(bytes) ? bytes.toString('utf8') : undefined
}

/** A name that is no UTF-8 for people to read: each byte that is not printable ASCII as `\xNN`. */
export function showName(bytes: Buffer): string {
  return [...bytes]
    .map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, '0')}`))
    .join('')
}

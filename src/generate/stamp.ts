import { createHash } from 'node:crypto'

/** What a file on disk is to whoever wants to write it anew: `made` by shiv and untouched since, `changed` since, or somebody else's. */
export type Authorship = 'made' | 'changed' | 'foreign'

const FIRST_LINE = /^# Made by `shiv generate [^`]*`, sha256 ([0-9a-f]{64})\b/

/** Puts a line above `text` that says which command made it, and the hash of all that follows: who changes a character of it owns the file. */
export function stamp(command: string, text: string): string {
  return `# Made by \`${command}\`, sha256 ${hashOf(text)} of what follows; once changed by hand, shiv leaves it alone.\n${text}`
}

/** Reads the stamp of a file's text. Line ends of either kind are the same file: git may have changed them. */
export function authorshipOf(text: string): Authorship {
  const unix = text.replaceAll('\r\n', '\n')
  const told = FIRST_LINE.exec(unix)?.[1]
  if (told === undefined) return 'foreign'
  return told === hashOf(unix.slice(unix.indexOf('\n') + 1)) ? 'made' : 'changed'
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

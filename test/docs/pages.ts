import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

export const root = join(import.meta.dirname, '..', '..')

/** A fenced block of a page: its language, text, and the line in which it begins. */
export interface Block {
  page: string
  line: number
  language: string
  text: string
}

/** README.md, then the pages of docs/ by name; `docs/README.md` is the index. */
export const pages = [
  'README.md',
  ...readdirSync(join(root, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .sort()
    .map((name) => `docs/${name}`),
]

export const decisions = readdirSync(join(root, 'docs', 'decisions')).map((name) => `docs/decisions/${name}`)

export function readPage(page: string): string {
  return readFileSync(join(root, page), 'utf8')
}

/** The fenced blocks of a page in these languages. Throws when a fence is left open. */
export function blocksOf(page: string, ...languages: string[]): Block[] {
  const blocks: Block[] = []
  let open: Block | undefined
  for (const [index, line] of readPage(page).split('\n').entries()) {
    const fence = /^```(\w*)/.exec(line)
    if (open === undefined && fence) open = { page, line: index + 1, language: fence[1]!, text: '' }
    else if (open !== undefined && line === '```') {
      blocks.push(open)
      open = undefined
    } else if (open !== undefined) open.text += `${line}\n`
  }
  if (open !== undefined) throw new Error(`${page}:${open.line}: a block without an end`)
  return blocks.filter(({ language }) => languages.includes(language))
}

/** What a page says in prose: without its fenced blocks. */
export function proseOf(page: string): string {
  return readPage(page).replace(/^```[\s\S]*?^```$/gm, '')
}

import { execa } from 'execa'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { copyExample } from '../support/example.ts'
import { openShiv, type OwnShiv } from '../support/own-shiv.ts'
import { DECLARED } from './declared.ts'
import { blocksOf, pages, root, type Block } from './pages.ts'
import { commandsOf, scriptOf, seatReader, type Reader } from './reader.ts'

const blocks = pages.flatMap((page) => blocksOf(page, 'sh', 'console'))
const missing = await toolsMissing()
let own: OwnShiv
let reader: Reader

beforeAll(async () => {
  own = await openShiv('docs')
  await copyExample('.', join(own.folder, 'examples'))
  reader = seatReader(own)
}, 60_000)

afterAll(async () => {
  await own.shiv(['stop', '--purge', '--yes', '-C', 'examples'], { reject: false })
  await own.close()
}, 60_000)

describe('every command of the docs, in the order of the pages', () => {
  it.each(blocks.map((block) => ({ ...block, at: `${block.page}:${block.line}` })))(
    '$at',
    async (block) => {
      const script = scriptOf(block)
      const needs = Object.keys(missing).find((example) => script.some((line) => line.includes(example)))
      if (needs !== undefined) return console.log(`${block.page}:${block.line}: skipped, ${missing[needs]} is missing`)
      const output = await reader.type(script)
      for (const line of shownBy(block)) expect(plain(output)).toMatch(line)
    },
    120_000,
  )
})

describe('what is declared as not run here', () => {
  it.each(DECLARED)('$line', ({ line, elsewhere }) => {
    expect(blocks.flatMap(commandsOf), 'no page shows it any more').toContain(line)
    if (elsewhere) expect(readFileSync(join(root, elsewhere.test), 'utf8')).toContain(elsewhere.shows)
  })
})

/** What a console block shows as output, line by line, as patterns: times and numbers are those of another day, and … stands for anything. */
function shownBy(block: Block): RegExp[] {
  if (block.language !== 'console') return []
  const shown = plain(block.text)
    .split('\n')
    .filter((line) => line.trim() !== '' && !line.startsWith('$ '))
  return shown.map((line) => new RegExp(line.split('…').map(escape).join('.*')))
}

/** Without what differs from run to run: the clock in front, durations, numbers, and how columns are filled up. */
function plain(text: string): string {
  return text
    .replace(/^ *[\d.]+ (ms|s) (?=[✓›…])/gm, '')
    .replace(/\b[\d.]+ (ms|s|min)\b|\b\d+s\b/g, '#')
    .replace(/\d+(\.\d+)*/g, '#')
    .replace(/#( #)+/g, '#')
    .replace(/ +/g, ' ')
    .replace(/^ | $/gm, '')
}

const escape = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')

/** By example, the first tool of this machine that it lacks to run as a process. */
async function toolsMissing(): Promise<Record<string, string>> {
  const needs = { 'user-service': ['go', 'redis-server'], reports: ['python3'] }
  const lacks: Record<string, string> = {}
  for (const [example, tools] of Object.entries(needs)) {
    for (const tool of tools) {
      const { exitCode } = await execa('bash', ['-c', 'command -v "$0"', tool], { reject: false })
      if (exitCode !== 0) lacks[example] ??= tool
    }
  }
  return lacks
}

import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { COMMANDS } from '../../src/cli/commands.ts'
import { parseWords } from '../../src/cli/parse.ts'
import { decisions, pages, proseOf, root } from './pages.ts'

const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: Record<string, string> }

describe.each([...pages, ...decisions])('%s', (page) => {
  const prose = proseOf(page)

  it('links to files that are there', () => {
    const links = [...prose.matchAll(/\]\(([^)\s]+)\)/g)].map(([, to = '']) => to).filter((to) => !/^https?:/.test(to))
    expect(links.filter((to) => !existsSync(join(root, dirname(page), to)))).toEqual([])
  })

  it('names commands, flags and npm scripts that are there', () => {
    const code = [...prose.matchAll(/`([^`\n]+)`/g)].map(([, text = '']) => text.replaceAll('\\|', '|'))
    expect(code.map(faultOf).filter((fault) => fault !== undefined)).toEqual([])
  })
})

/** What is wrong with a command that stands in a sentence; undefined when nothing is, or when it is no command. */
function faultOf(text: string): string | undefined {
  const script = /^npm run ([\w:-]+)/.exec(text)?.[1]
  if (script !== undefined) return script in scripts ? undefined : `${text}: package.json has no such script`
  const [, name, words = ''] = /^(?:npx )?shiv ([a-z]+)\b ?(.*)$/.exec(text) ?? []
  if (name === undefined) return undefined
  const command = COMMANDS.find((command) => command.name === name)
  if (command === undefined) return `${text}: no such command`
  try {
    parseWords(command, words.split(' ').filter(Boolean))
    return undefined
  } catch (error) {
    return `${text}: ${(error as Error).message}`
  }
}

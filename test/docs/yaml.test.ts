import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { parse } from 'yaml'
import { load } from '../spec/support.ts'
import { blocksOf, pages, root, type Block } from './pages.ts'

/** test/presets/docs.test.ts loads these. */
const isPreset = ({ text }: Block): boolean => text.startsWith('# presets/')
const blocks = pages.flatMap((page) => blocksOf(page, 'yaml')).filter((block) => !isPreset(block))

/** What the fragments of the pages lean on. */
const BASE = { name: 'shown', language: 'node' }
const AROUND = { databases: [{ postgres: 'user-db' }] }
const OF_WORKSPACE = ['cluster', 'platform', 'services']

it.each(blocks.map((block) => ({ ...block, at: `${block.page}:${block.line}` })))('$at is valid', async ({ text }) => {
  const shown = parse(text) as Record<string, unknown>
  const isWorkspace = Object.keys(shown).some((key) => OF_WORKSPACE.includes(key))
  const service = isWorkspace ? BASE : { ...BASE, ...(shown['env'] ? AROUND : {}), ...shown }
  const model = await load({
    'shiv.yaml': JSON.stringify({
      name: 'docs',
      environments: { staging: {} },
      ...(isWorkspace ? shown : {}),
      services: ['shown', 'billing'],
    }),
    // A whole file is loaded letter for letter, comments included.
    'shown/service.yaml': 'name' in shown && !isWorkspace ? text : JSON.stringify(service),
    'shown/Dockerfile': 'FROM scratch\n',
    'billing/service.yaml': 'name: billing\nlanguage: node\n',
  })
  expect(model.services).toHaveLength(2)
})

it('the first file that README.md shows is the example', () => {
  expect(blocksOf('README.md', 'yaml')[0]!.text).toBe(readFileSync(join(root, 'examples/user-service/service.yaml'), 'utf8'))
})

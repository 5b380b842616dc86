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
const AROUND = {
  databases: [{ postgres: 'user-db' }],
  dependencies: [{ ledger: { http: 'https://ledger.staging.example.com' } }],
}
const OF_WORKSPACE = ['cluster', 'platform', 'services']

it.each(blocks.map((block) => ({ ...block, at: `${block.page}:${block.line}` })))('$at is valid', async ({ text }) => {
  const shown = parse(text) as Record<string, unknown>
  const isWorkspace = text.startsWith('# shiv.yaml') || Object.keys(shown).some((key) => OF_WORKSPACE.includes(key))
  const service = isWorkspace ? BASE : { ...BASE, ...(shown['env'] ? AROUND : {}), ...shown }
  // One name is a service of the workspace, or something outside of it.
  const isOutside = /- billing:/.test(text)
  const model = await load({
    'shiv.yaml': JSON.stringify({
      name: 'docs',
      environments: { staging: { context: 'staging', namespace: 'docs', domain: 'staging.example.com' } },
      ...(isWorkspace ? shown : {}),
      services: ['shown', 'mailer', ...(isOutside ? [] : ['billing'])],
    }),
    // A whole file is loaded letter for letter, comments included.
    'shown/service.yaml': 'name' in shown && !isWorkspace ? text : JSON.stringify(service),
    'shown/Dockerfile': 'FROM scratch\n',
    'mailer/service.yaml': 'name: mailer\nlanguage: node\n',
    ...(!isOutside && { 'billing/service.yaml': 'name: billing\nlanguage: node\n' }),
  })
  expect(model.services).toHaveLength(isOutside ? 2 : 3)
})

it('the first file that README.md shows is the example', () => {
  expect(blocksOf('README.md', 'yaml')[0]!.text).toBe(readFileSync(join(root, 'examples/user-service/service.yaml'), 'utf8'))
})

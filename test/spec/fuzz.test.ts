import fc from 'fast-check'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { stringify } from 'yaml'
import { ShivError } from '../../src/core/errors.ts'
import { loadWorkspace } from '../../src/spec/load.ts'
import { splitWords } from '../../src/spec/words.ts'
import { folderWith } from './support.ts'

/** A model or SPEC_INVALID with faults that point into the file; anything else is thrown on. */
async function isModelOrFaults(root: string, content: string | Uint8Array): Promise<boolean> {
  writeFileSync(join(root, 'service.yaml'), content)
  try {
    const model = await loadWorkspace(root, { environment: 'local' })
    return model.services.length === 1
  } catch (error) {
    if (!(error instanceof ShivError) || error.code !== 'SPEC_INVALID' || error.exit !== 2) throw error
    const lines = Buffer.from(content).toString('utf8').split('\n').length
    return error.faults.length > 0 && error.faults.every(({ line = 1, column = 1 }) => line >= 1 && line <= lines && column >= 1)
  }
}

const FIELDS = [
  'name',
  'language',
  'port',
  'ports',
  'command',
  'build',
  'health',
  'env',
  'resources',
  'scaling',
  'databases',
  'observability',
  'volumes',
  'workers',
  'cron',
  'migrate',
  'dependencies',
  'reload',
  'environments',
  'patches',
  'value',
  'secret',
  'from',
  'prompt',
  'path',
  'min_replicas',
  'max_replicas',
  'cpu_target',
  'postgres',
  'local',
  'constructor',
  'toString',
  '__proto__',
  '<<',
  'why',
  'target',
  'context',
  'dockerfile',
  'image',
  'args',
  'schedule',
  'size',
  'metrics',
  'alerts',
]
const VALUES = [
  'orders',
  'node',
  '70%',
  '${databases.db.url}',
  '${',
  '$${',
  '../..',
  '/etc/passwd',
  '0 3 * * *',
  '1Gi',
  '@daily',
  "'",
  '\0',
  '*',
  '&a',
  '\u2028',
  'prometheus',
  'service.orders.url',
]

const word = fc.oneof(fc.constantFrom(...VALUES), fc.string({ maxLength: 12 }))
const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 5, withCrossShrink: true },
    word,
    fc.oneof(fc.integer(), fc.double(), fc.boolean(), fc.constant(null)),
    fc.array(tie('tree'), { maxLength: 4 }),
    fc.array(fc.tuple(fc.constantFrom(...FIELDS), tie('tree')), { maxLength: 6 }).map((entries) => new Map(entries)),
  ),
}))
const document = fc.array(fc.tuple(fc.constantFrom(...FIELDS), tree), { maxLength: 8 }).map((entries) => {
  return stringify(new Map<string, unknown>([['name', 'orders'], ['language', 'node'], ...entries]))
})

it('makes a model or faults of any fields in any shape', async () => {
  const root = folderWith({})
  await fc.assert(
    fc.asyncProperty(document, (yaml) => isModelOrFaults(root, yaml)),
    { numRuns: 250 },
  )
})

it('makes a model or faults of any text of YAML tokens', async () => {
  const root = folderWith({})
  const token = fc.oneof(
    fc.constantFrom(...FIELDS, ...VALUES),
    fc.constantFrom(
      ': ',
      '- ',
      '\n',
      '\n  ',
      '\n\t',
      '[',
      ']',
      '{',
      '}',
      ',',
      '#',
      '&a ',
      '*a',
      '!',
      '!!map ',
      '|',
      '>',
      '"',
      "'",
      '---\n',
      '...',
      '%',
      '? ',
      '\r',
      '\0',
      '\uFEFF',
    ),
  )
  const text = fc.array(token, { maxLength: 40 }).map((tokens) => tokens.join(''))
  await fc.assert(
    fc.asyncProperty(text, (yaml) => isModelOrFaults(root, yaml)),
    { numRuns: 400 },
  )
})

it('makes a model or faults of any bytes', async () => {
  const root = folderWith({})
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), (bytes) => isModelOrFaults(root, bytes)),
    { numRuns: 200 },
  )
})

it('ends with files at the size limit that are made to be slow', async () => {
  const root = folderWith({})
  const size = 128 * 1024
  const fill = (unit: string) => `name: orders\nlanguage: node\n${unit.repeat(Math.floor((size - 40) / unit.length))}`
  for (const unit of ['[', ']', '- ', '! ', '|\n', 'x: *a\n', '"', '${']) {
    expect(await isModelOrFaults(root, fill(unit)), JSON.stringify(unit)).toBe(true)
  }
  const keys = Array.from({ length: 8000 }, (_, index) => `k${index}: 1\n`).join('')
  expect(await isModelOrFaults(root, `name: orders\nlanguage: node\nreload:\n  ${keys.replaceAll('\n', '\n  ')}`)).toBe(true)
  expect(await isModelOrFaults(root, keys)).toBe(true)
}, 120_000)

it('gives back the words that were quoted', () => {
  const quote = (words: string[]) => words.map((word) => `'${word.replaceAll("'", `'"'"'`)}'`).join(' ')
  fc.assert(
    fc.property(fc.array(fc.string()), (words) => {
      expect(splitWords(quote(words))).toEqual(words)
    }),
  )
})

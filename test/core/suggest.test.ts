import { expect, it } from 'vitest'
import { didYouMean, editDistance, suggest } from '../../src/core/suggest.ts'

it('counts insertions, deletions, substitutions and swaps', () => {
  expect(editDistance('kitten', 'sitting')).toBe(3)
  expect(editDistance('logn', 'long')).toBe(1)
  expect(editDistance('', 'abc')).toBe(3)
})

it('suggests what is near and nothing that is far', () => {
  expect(suggest('scalling', ['name', 'scaling'])).toBe('scaling')
  expect(suggest('Port', ['port', 'ports'])).toBe('port')
  expect(suggest('colour', ['command', 'cron'])).toBeUndefined()
  expect(suggest('a'.repeat(100_000), ['a'])).toBeUndefined()
})

it('lists all where none is near', () => {
  expect(didYouMean('rust', ['node', 'go'])).toBe('known here: go, node')
  expect(didYouMean('rust', [])).toBeUndefined()
})

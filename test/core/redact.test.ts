import { expect, test } from 'vitest'
import { createRedactor } from '../../src/core/redact.ts'

test('takes a value out of texts and of nested values, also as a URL or JSON carries it', () => {
  const redactor = createRedactor()
  redactor.add('p@ss"word')
  expect(redactor.text(`a p@ss"word b ${encodeURIComponent('p@ss"word')} c ${JSON.stringify('p@ss"word')}`)).toBe(
    'a «redacted» b «redacted» c "«redacted»"',
  )
  expect(redactor.deep({ list: [{ text: 'p@ss"word', count: 3 }], none: null })).toEqual({
    list: [{ text: '«redacted»', count: 3 }],
    none: null,
  })
})

test('a longer secret that begins with a shorter one leaves no rest', () => {
  const redactor = createRedactor()
  redactor.add('secret')
  redactor.add('secret-and-more')
  expect(redactor.text('secret-and-more')).toBe('«redacted»')
})

test('values too short to be secret, and missing ones, change nothing', () => {
  const redactor = createRedactor()
  redactor.add('dev')
  redactor.add(undefined)
  redactor.add('')
  expect(redactor.text('dev mode')).toBe('dev mode')
})

test('what means something in a pattern means itself', () => {
  const redactor = createRedactor()
  redactor.add('a.*+?b')
  expect(redactor.text('a.*+?b aXXXb')).toBe('«redacted» aXXXb')
})

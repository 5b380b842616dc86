import { describe, expect, it } from 'vitest'
import { cronProblem } from '../../src/spec/cron.ts'
import { parseQuantity } from '../../src/spec/quantity.ts'
import { parseTemplate } from '../../src/spec/template.ts'
import { splitWords } from '../../src/spec/words.ts'

describe('parseTemplate', () => {
  it('splits text and placeholders', () => {
    expect(parseTemplate('a${databases.d.url}b${services.s.port}').parts).toEqual([
      { kind: 'text', text: 'a' },
      { kind: 'database', database: 'd', field: 'url' },
      { kind: 'text', text: 'b' },
      { kind: 'service', service: 's', field: 'port' },
    ])
    expect(parseTemplate('').parts).toEqual([{ kind: 'text', text: '' }])
  })

  it('takes $${ for the text ${, and a lone $ as it is', () => {
    expect(parseTemplate('$${a} $x $$ $${${databases.d.host}}').parts).toEqual([
      { kind: 'text', text: '${a} $x $$ ${' },
      { kind: 'database', database: 'd', field: 'host' },
      { kind: 'text', text: '}' },
    ])
  })

  it('says where in the text a fault is', () => {
    expect(parseTemplate('ab ${x} ${databases.d.urll} ${').faults).toMatchObject([
      { code: 'SPEC_BAD_REFERENCE', offset: 3, length: 4, opening: 0 },
      { code: 'SPEC_BAD_REFERENCE', offset: 8, length: 19, opening: 1, hint: 'did you mean "url"?' },
      { code: 'SPEC_UNTERMINATED', offset: 28, length: 2, opening: 2 },
    ])
  })
})

describe('splitWords', () => {
  it.each([
    ['a  b', ['a', 'b']],
    [`a 'b c' "d e"`, ['a', 'b c', 'd e']],
    [`'it'"'"'s' a\\ b "x\\"y" "\\n"`, ["it's", 'a b', 'x"y', '\\n']],
    [`'' ""`, ['', '']],
    ['$(x) `y` ;', ['$(x)', '`y`', ';']],
    ['', []],
  ])('%s', (line, words) => expect(splitWords(line)).toEqual(words))

  it('refuses an open quote', () => {
    expect(splitWords(`a 'b`)).toBeUndefined()
    expect(splitWords('a "b')).toBeUndefined()
  })
})

describe('parseQuantity', () => {
  it.each([
    ['100m', 0.1],
    ['0.5', 0.5],
    ['1Ki', 1024],
    ['1k', 1000],
    ['2e3', 2000],
    ['1.5Gi', 1.5 * 2 ** 30],
  ])('%s', (text, size) => expect(parseQuantity(text)).toBeCloseTo(size))

  it.each(['', 'x', '1 Gi', '1gb', '-1', '1Gi ', '.5', 'Gi', '1e999'])('not %j', (text) =>
    expect(parseQuantity(text)).toBeUndefined(),
  )
})

describe('cronProblem', () => {
  it.each(['* * * * *', '*/5 0-6,8 1 jan-DEC 7', '0 3 * * mon', '@daily', '10-50/10 * * * *'])('%s is right', (text) =>
    expect(cronProblem(text)).toBeUndefined(),
  )

  it.each([
    '',
    '* * * *',
    '* * * * * *',
    '60 * * * *',
    '* 24 * * *',
    '* * 0 * *',
    '* * * 13 *',
    '* * * * 8',
    '5-1 * * * *',
    '*/0 * * * *',
    '1- * * * *',
    'a * * * *',
    '@never',
    '1/2/3 * * * *',
    '-1 * * * *',
    ', * * * *',
  ])('%s is wrong', (text) => expect(cronProblem(text)).toBeTruthy())
})

import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { yamlText } from '../../src/generate/yaml-text.ts'
import { hostile } from './samples.ts'

/** Strings that a reader of YAML 1.1 takes for something else when they are not quoted. */
const booleans = ['y', 'N', 'yes', 'No', 'on', 'OFF', 'true', 'False']
const numbers = [
  '1',
  '-1',
  '1_0',
  '0b1',
  '0777',
  '0o17',
  '0x1F',
  '1e3',
  '.5',
  '1_000.5',
  '.inf',
  '.NaN',
  '12:30',
  '-1:30',
  '190:20:30.15',
]
const dates = ['2024-01-01', '2024-1-1', '2001-12-14t21:59:43.10-05:00', '2001-12-14 21:59:43']
const others = ['~', 'null', '<<', '=', '']
const misread = [...booleans, ...numbers, ...dates, ...others]

describe.each(['1.1', '1.2'] as const)('a reader of YAML %s gets back', (version) => {
  it.each([...misread, ...hostile])('%j as a value, in a list and as a key', (text) => {
    expect(parse(yamlText({ value: text, list: [text], map: { [text]: true } }), { version })).toEqual({
      value: text,
      list: [text],
      map: { [text]: true },
    })
  })

  it('numbers, booleans and nothing as they are', () => {
    const data = { timeout: 60, needs: [], cancel: false, pull_request: null }
    expect(parse(yamlText(data), { version })).toEqual(data)
  })
})

it('the strings of the table are misread without quotes', () => {
  for (const text of [...booleans, ...numbers, ...dates]) {
    const read = [parse(text, { version: '1.1' }), parse(text)] as unknown[]
    expect(
      read.filter((value) => value !== text),
      text,
    ).not.toEqual([])
  }
})

// The `yaml` package has no such types, so what GitLab would read is held by the text.
it.each([':a', ':"a"', '1,000', '-1,0', '+1,0.5'])("what Ruby's Psych takes for a symbol or a number is quoted: %s", (text) => {
  expect(yamlText({ value: text, [text]: 1 })).toBe(`value: '${text}'\n\n'${text}': 1\n`)
})

import { expect, test } from 'vitest'
import { parseDotenv } from '../../src/engine/dotenv.ts'

test.each([
  ['A=1', '1'],
  ['export A=1', '1'],
  ['  A = spaced out  ', 'spaced out'],
  ['A="quoted # not a comment" # a comment', 'quoted # not a comment'],
  [String.raw`A="line\nnext \"inner\""`, 'line\nnext "inner"'],
  [String.raw`A='raw\n $HOME'`, String.raw`raw\n $HOME`],
  ['A=$HOME/x', '$HOME/x'],
  ['A=url#fragment', 'url#fragment'],
  ['A=value # comment', 'value'],
  ['A=', ''],
  ['# A=1', undefined],
  ['not an entry', undefined],
  ['A=1\r\nB=2', '1'],
])('%j gives %j', (text, value) => {
  expect(parseDotenv(text)['A']).toBe(value)
})

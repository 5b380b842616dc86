import { expect, test } from 'vitest'
import { formatAge, formatDuration, parseDuration } from '../../src/core/duration.ts'
import { createStyle, truncate, visibleWidth, wantsColour, wantsUnicode } from '../../src/core/style.ts'
import { renderTable } from '../../src/core/table.ts'
import { tellingLine } from '../../src/core/telling-line.ts'

test.each([
  [0, '0 ms'],
  [999.4, '999 ms'],
  [999.6, '1.0 s'],
  [59_940, '59.9 s'],
  [59_960, '1 min 00 s'],
  [3_599_700, '1 h 00 min'],
  [7_800_000, '2 h 10 min'],
])('%d ms is %s', (milliseconds, text) => {
  expect(formatDuration(milliseconds)).toBe(text)
})

test('ages are in one unit', () => {
  expect([0, 119_000, 120_000, 7_200_000, 172_800_000].map(formatAge)).toEqual(['0s', '119s', '2m', '2h', '2d'])
})

test('durations that are none are undefined', () => {
  expect(['5m', '1h30m', '250ms', '1.5s'].map(parseDuration)).toEqual([300_000, 5_400_000, 250, 1_500])
  expect(['', '5', 'm', '5 m', '-5m', '5y'].map(parseDuration)).toEqual([
    undefined,
    undefined,
    undefined,
    undefined,
    undefined,
    undefined,
  ])
})

test('columns line up by what is seen, and empty ones go', () => {
  const { red } = createStyle({ colour: true, unicode: true })
  expect(
    renderTable(
      [
        ['NAME', 'NOTE', 'SIZE'],
        [red('a'), '', '10'],
        ['日本', '', '5'],
      ],
      { right: [2], header: (text) => text },
    ),
  ).toEqual(['NAME  SIZE', `${red('a')}       10`, '日本     5'])
})

test('text is cut by columns, not by characters', () => {
  expect(truncate('abcdef', 6)).toBe('abcdef')
  expect(truncate('abcdefg', 6)).toBe('abcde…')
  expect(visibleWidth(truncate('日本語日本語', 6))).toBeLessThanOrEqual(6)
})

test('colours: FORCE_COLOR before NO_COLOR before the terminal', () => {
  expect(wantsColour({}, true)).toBe(true)
  expect(wantsColour({}, false)).toBe(false)
  expect(wantsColour({ NO_COLOR: '1' }, true)).toBe(false)
  expect(wantsColour({ NO_COLOR: '' }, true)).toBe(true)
  expect(wantsColour({ FORCE_COLOR: '1', NO_COLOR: '1' }, false)).toBe(true)
  expect(wantsColour({ FORCE_COLOR: '0' }, true)).toBe(false)
  expect(wantsColour({ TERM: 'dumb' }, true)).toBe(false)
})

test('Unicode: by the locale', () => {
  expect([{}, { LANG: 'de_DE.UTF-8' }, { LC_ALL: 'C', LANG: 'de_DE.UTF-8' }, { TERM: 'linux' }].map(wantsUnicode)).toEqual([
    true,
    true,
    false,
    false,
  ])
})

test('the telling line is the error, not what Node says beside it', () => {
  const lines = [
    'Error: listen EADDRINUSE: address already in use :::8099',
    '    at Server.listen',
    "Emitted 'error' event on Server instance at:",
  ]
  expect(tellingLine(lines)).toBe(lines[0])
  expect(tellingLine(['all is well'])).toBeUndefined()
})

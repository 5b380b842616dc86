import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createLineSplitter } from '../../src/wire/lines.ts'

test('lines come out whole, however the text was cut', () => {
  const line = fc.string({ minLength: 1 }).filter((text) => !/[\n]/.test(text) && text.trim() !== '')
  fc.assert(
    fc.property(fc.array(line), fc.array(fc.nat(40)), (lines, cuts) => {
      const seen: string[] = []
      const feed = createLineSplitter(
        1_000_000,
        (text) => seen.push(text),
        () => {},
      )
      let text = lines.map((one) => `${one}\n`).join('')
      for (const cut of cuts) {
        feed(text.slice(0, cut))
        text = text.slice(cut)
      }
      feed(text)
      expect(seen).toEqual(lines)
    }),
  )
})

test('a line that is too long is told once, and nothing comes after it', () => {
  const seen: string[] = []
  let overflows = 0
  const feed = createLineSplitter(
    10,
    (line) => seen.push(line),
    () => (overflows += 1),
  )
  feed('short\n')
  feed('x'.repeat(11))
  feed('x'.repeat(11))
  feed('\nlater\n')
  expect({ seen, overflows }).toEqual({ seen: ['short'], overflows: 1 })
})

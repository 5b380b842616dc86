import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const page = readFileSync('docs/errors.md', 'utf8')
const listed = [...page.matchAll(/^\| `([A-Z][A-Z_]+)` \| (.+) \| (.+) \|$/gm)].map(([, code = '', meaning = '', hint = '']) => ({
  code,
  meaning,
  hint,
}))
const sources = readdirSync('src', { recursive: true, encoding: 'utf8' })
  .filter((file) => /\.tsx?$/.test(file))
  .map((file) => ({ file, text: readFileSync(join('src', file), 'utf8') }))

/** First words of codes, as the page uses them. */
const areas = new Set(listed.flatMap(({ code }) => (code.includes('_') ? [code.slice(0, code.indexOf('_'))] : [])))
/** Look like a code and are names of environment variables. */
const NOT_CODES = new Set(['SERVICE_NAME', 'CI_MERGE_REQUEST_DIFF_BASE_SHA'])

/** Codes in the source: what stands after `code:`, and every literal that begins as a code does; `env['NAME']` and `at('NAME')` are neither. */
function codesIn(text: string): string[] {
  const named = [...text.matchAll(/\bcode: '([A-Z][A-Z_]*_[A-Z_]+|INTERNAL|INTERRUPTED)'/g)].map(([, code = '']) => code)
  const literals = [...text.matchAll(/(?<!\[|\bat\()'([A-Z]+_[A-Z_]+)'(?!\])/g)].map(([, code = '']) => code)
  return [...named, ...literals.filter((code) => areas.has(code.slice(0, code.indexOf('_'))) && !NOT_CODES.has(code))]
}

test('docs/errors.md lists every code of the source, with its meaning and a hint', () => {
  const missing = sources.flatMap(({ file, text }) =>
    codesIn(text)
      .filter((code) => !listed.some((row) => row.code === code))
      .map((code) => `${code} (src/${file})`),
  )
  expect([...new Set(missing)]).toEqual([])
})

test('docs/errors.md lists no code twice and none that is gone', () => {
  const codes = listed.map(({ code }) => code)
  const all = sources.map(({ text }) => text).join('\n')
  expect(codes.filter((code, index) => codes.indexOf(code) !== index)).toEqual([])
  expect(codes.filter((code) => !all.includes(`'${code}'`))).toEqual([])
})

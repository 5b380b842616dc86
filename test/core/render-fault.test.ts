import { expect, it } from 'vitest'
import { ShivError, toErrorShape } from '../../src/core/errors.ts'
import { renderError, renderFault } from '../../src/core/render-fault.ts'

const plain = { color: false, cwd: '/w' }

it('puts the caret below what is wrong, also behind tabs', () => {
  const fault = { code: 'X', message: 'm', file: '/w/a/service.yaml', line: 12, column: 3, length: 4, snippet: '\t wrong' }
  expect(renderFault(fault, plain).split('\n')).toEqual([
    'error[X]: m',
    '   --> a/service.yaml:12:3',
    '   |',
    '12 |   wrong',
    '   |   ^^^^',
  ])
})

it('keeps a file outside of the folder absolute', () => {
  expect(renderFault({ code: 'X', message: 'm', file: '/other/service.yaml', line: 1, column: 1 }, plain)).toContain(
    '--> /other/service.yaml:1:1',
  )
})

it('shows only the neighbourhood of a place in a long line', () => {
  const snippet = `${'a'.repeat(500)}HERE${'b'.repeat(500)}`
  const lines = renderFault({ code: 'X', message: 'm', file: '/w/s', line: 1, column: 501, length: 4, snippet }, plain).split(
    '\n',
  )
  const [, , , text, caret] = lines
  expect(text!.length).toBeLessThan(140)
  expect(text!.slice(caret!.indexOf('^'), caret!.lastIndexOf('^') + 1)).toBe('HERE')
})

it('lets nothing of the input command the terminal', () => {
  const evil = '\u001B]0;owned\u0007\u001B[31mred\u202E\r\b'
  const shape = {
    code: evil,
    message: evil,
    exit: 1 as const,
    hint: evil,
    evidence: [evil],
    faults: [{ code: 'X', message: evil, file: `/w/${evil}`, line: 1, snippet: evil, hint: evil }],
  }
  // oxlint-disable-next-line no-control-regex
  expect(renderError(shape, plain)).not.toMatch(/[\u0000-\u0009\u000B-\u001F\u202E]/)
})

it('renders an error without faults: header, evidence, hint', () => {
  const shape = toErrorShape(
    new ShivError('the image did not build', {
      code: 'DOCKER_BUILD_FAILED',
      hint: 'run it alone:\ndocker build .',
      evidence: ['step 3', '\u001B[31mboom\u001B[0m'],
    }),
  )
  expect(renderError(shape, plain)).toBe(
    'error[DOCKER_BUILD_FAILED]: the image did not build\n    step 3\n    boom\n  hint: run it alone:\n        docker build .',
  )
})

it('shows the stack of a defect, and only of a defect', () => {
  expect(renderError(toErrorShape(new TypeError('x is not a function')), plain)).toMatch(
    /error\[INTERNAL\]: x is not a function\n {2}this is a defect of shiv; its stack:\n {4}at /,
  )
})

it('says a single fault once and several with their sum', () => {
  const fault = { code: 'SPEC_X', message: 'bad', hint: 'good' }
  const one = toErrorShape(new ShivError('bad', { code: 'SPEC_INVALID', hint: 'good', faults: [fault] }))
  expect(renderError(one, plain)).toBe('error[SPEC_X]: bad\n  hint: good')
  const two = toErrorShape(new ShivError('2 faults', { code: 'SPEC_INVALID', faults: [fault, fault] }))
  expect(renderError(two, plain).endsWith('\n\nerror[SPEC_INVALID]: 2 faults')).toBe(true)
})

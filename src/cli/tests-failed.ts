import { ShivError } from '../core/errors.ts'
import type { TestResult } from '../wire/messages.ts'

const SHOWN = 20

/** The error of services whose tests failed; undefined where none did. */
export function testsFailed({ tests }: Pick<TestResult, 'tests'>): ShivError | undefined {
  const failed = tests.filter(({ passed }) => !passed)
  const [first] = failed
  if (first === undefined) return undefined
  const names = failed.map(({ service }) => service).join(', ')
  if (first.missing !== undefined) {
    return new ShivError(`The tests of ${first.service} need ${first.missing}, which is not on PATH.`, {
      code: 'TEST_TOOL_MISSING',
      exit: 3,
      hint: `install ${first.missing}, or name another command in service.yaml: reload: { test: [make, test] }`,
    })
  }
  return new ShivError(`The tests of ${names} failed.`, {
    code: 'TESTS_FAILED',
    hint: `shiv test ${names.replaceAll(',', '')}`,
    evidence: failed.flatMap(({ service, lines }) => lines.slice(-SHOWN).map((line) => `${service}  ${line}`)),
  })
}

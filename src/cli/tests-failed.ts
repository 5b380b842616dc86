import { ShivError } from '../core/errors.ts'
import type { TestResult } from '../wire/messages.ts'

const SHOWN = 20

/** The error of services whose tests failed; undefined where none did. */
export function testsFailed({ tests }: Pick<TestResult, 'tests'>): ShivError | undefined {
  const failed = tests.filter(({ passed }) => !passed)
  if (failed.length === 0) return undefined
  const names = failed.map(({ service }) => service).join(', ')
  const lacking = failed.find(({ missing }) => missing !== undefined)
  if (lacking !== undefined) {
    return new ShivError(`The tests of ${lacking.service} need ${lacking.missing}, which is not on PATH.`, {
      code: 'TEST_TOOL_MISSING',
      exit: 3,
      hint: `install ${lacking.missing}, or name another command in service.yaml: reload: { test: [make, test] }`,
    })
  }
  return new ShivError(`The tests of ${names} failed.`, {
    code: 'TESTS_FAILED',
    hint: `shiv test ${names.replaceAll(',', '')}`,
    evidence: failed.flatMap(({ service, lines }) => lines.slice(-SHOWN).map((line) => `${service}  ${line}`)),
  })
}

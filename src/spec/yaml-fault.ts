import type { YAMLError } from 'yaml'
import type { Fault } from '../core/errors.ts'
import { faultAt } from './source.ts'
import type { Source } from './source.ts'

/** A parser error in the user's words, at its place. */
export function faultOfYaml(problem: YAMLError, source: Source): Fault {
  const [start, end] = problem.pos
  return faultAt({ source, start, end: Math.max(end, start + 1) }, describe(problem))
}

function describe(problem: YAMLError): { code: string; message: string; hint?: string } {
  switch (problem.code) {
    case 'TAB_AS_INDENT':
      return {
        code: 'SPEC_TAB',
        message: 'a tab is used for indentation; YAML allows only spaces',
        hint: 'replace the tab with two spaces',
      }
    case 'MULTIPLE_DOCS':
      return {
        code: 'SPEC_MULTIPLE_DOCUMENTS',
        message: 'a second document begins here; a file holds one',
        hint: 'remove the line "---", or put the second service into a folder of its own',
      }
    case 'RESOURCE_EXHAUSTION':
      return { code: 'SPEC_TOO_DEEP', message: 'nested too deeply', hint: 'flatten it' }
    case 'BLOCK_AS_IMPLICIT_KEY':
      return {
        code: 'SPEC_YAML',
        message: problem.message,
        hint: 'put quotes around a value that holds ": "; or the next line is indented too far',
      }
    case 'MISSING_CHAR':
      return { code: 'SPEC_YAML', message: problem.message, hint: 'close what was opened, or put a space after the colon' }
    case 'BAD_INDENT':
      if (problem.message.startsWith('Flow')) {
        return { code: 'SPEC_YAML', message: 'a bracket or brace above this line is not closed', hint: 'close it with ] or }' }
      }
      return { code: 'SPEC_YAML', message: problem.message, hint: 'line it up with the other fields of the same map' }
    default:
      return { code: 'SPEC_YAML', message: problem.message, hint: 'check quotes, indentation and colons around here' }
  }
}

import { ShivError } from '../../../core/errors.ts'
import type { RecordingRules } from '../../../plan/remote.ts'
import { compileJsonPath, type JsonPath } from './json-path.ts'

/** What a recording hides beyond the usual; made once from `RecordingRules.redact`. */
export interface RedactionRules {
  headers: ReadonlySet<string>
  cookies: ReadonlySet<string>
  body: readonly JsonPath[]
  patterns: readonly RegExp[]
}

/** Throws RECORDING_RULE_INVALID when a JSON path or a pattern cannot be read. */
export function compileRedaction(redact: RecordingRules['redact']): RedactionRules {
  return {
    headers: new Set(redact.headers.map((name) => name.toLowerCase())),
    cookies: new Set(redact.cookies),
    body: redact.body.map(compileJsonPath),
    patterns: redact.patterns.map(compilePattern),
  }
}

function compilePattern(pattern: string): RegExp {
  try {
    return new RegExp(pattern, 'g')
  } catch (error) {
    throw new ShivError(`"${pattern}" is not a regular expression: ${(error as Error).message}`, {
      code: 'RECORDING_RULE_INVALID',
      exit: 2,
      hint: 'correct it under redact.patterns of the dependency',
      cause: error,
    })
  }
}

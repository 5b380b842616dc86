import type { LogLine } from '../wire/messages.ts'
import { inputError } from './parse.ts'
import { levelName } from './render/logs.ts'

/** Operators by how they are written, longest first. */
const COMPARISON = /^([\w.@-]+)(!=|>=|<=|=|>|<|~)(.*)$/s

type Condition = (line: LogLine) => boolean

/**
 * What `--grep` and `--where` let through. It runs in the command, not in the daemon: a pattern without an end hurts nobody else. Throws CLI_BAD_VALUE.
 */
export function createLogFilter(grep: string | undefined, where: string | undefined): Condition {
  const conditions: Condition[] = []
  if (grep !== undefined) {
    const pattern = compile(grep, '--grep')
    conditions.push(({ text }) => pattern.test(text))
  }
  for (const comparison of where === undefined ? [] : where.split(',')) conditions.push(readComparison(comparison.trim()))
  return (line) => conditions.every((holds) => holds(line))
}

function readComparison(text: string): Condition {
  const [, path = '', operator = '', wanted = ''] = COMPARISON.exec(text) ?? []
  if (operator === '') {
    throw inputError('CLI_BAD_VALUE', `--where cannot read "${text}".`, "write it like --where 'level=error,status>=500'")
  }
  const pattern = operator === '~' ? compile(wanted, '--where') : undefined
  return ({ fields }) => {
    const actual = fields && valueAt(fields, path)
    if (actual === undefined) return false
    const said = path === 'level' || path === 'severity' ? levelName(actual) : asText(actual)
    if (pattern) return pattern.test(said)
    if (operator === '=' || operator === '!=')
      return (said.toLowerCase() === wanted.toLowerCase() || asText(actual) === wanted) === (operator === '=')
    const [left, right] = [Number(actual), Number(wanted)]
    if (Number.isNaN(left) || Number.isNaN(right)) return compare(asText(actual), wanted, operator)
    return compare(left, right, operator)
  }
}

function compare<T extends string | number>(left: T, right: T, operator: string): boolean {
  if (operator === '>') return left > right
  if (operator === '>=') return left >= right
  return operator === '<' ? left < right : left <= right
}

/** A field by its whole name, else by steps: `http.status` of `{"http":{"status":500}}`. */
function valueAt(fields: Record<string, unknown>, path: string): unknown {
  if (Object.hasOwn(fields, path)) return fields[path]
  return path.split('.').reduce<unknown>((value, step) => {
    const isMap = typeof value === 'object' && value !== null && Object.hasOwn(value, step)
    return isMap ? (value as Record<string, unknown>)[step] : undefined
  }, fields)
}

function asText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}

function compile(pattern: string, flag: string): RegExp {
  try {
    return new RegExp(pattern)
  } catch (error) {
    throw inputError(
      'CLI_BAD_VALUE',
      `${flag}: ${(error as Error).message}.`,
      `characters that mean something are escaped: ${flag} 'a\\.b'`,
    )
  }
}

import * as z from 'zod'
import { cronProblem } from './cron.ts'
import { parseQuantity, QUANTITY } from './quantity.ts'
import { splitWords } from './words.ts'

/** What a refinement says about a wrong value; `faultsOfIssues` reads it back from the issue's params. */
export interface RuleText {
  code: string
  message: (value: string) => string
  hint: string
}

/** A closed map. The message of its unknown-key issue carries the known keys, from which the hint is made. */
export function closed<Shape extends z.ZodRawShape>(shape: Shape) {
  return z.strictObject(shape, {
    error: (issue) => (issue.code === 'unrecognized_keys' ? Object.keys(shape).join(' ') : undefined),
  })
}

/** A check over several fields of a map that also runs when one of them is wrong. `report` takes the path below the map. */
export function across<Schema extends z.ZodType>(
  schema: Schema,
  check: (
    value: Record<string, unknown>,
    report: (path: (string | number)[], rule: Omit<RuleText, 'message'> & { message: string }) => void,
  ) => void,
): Schema {
  const run = (value: unknown, context: { addIssue: (issue: z.core.$ZodSuperRefineIssue) => void }) => {
    if (typeof value !== 'object' || value === null) return
    check(value as Record<string, unknown>, (path, { code, message, hint }) =>
      context.addIssue({ code: 'custom', path, message, params: { code, hint }, input: value, continue: true }),
    )
  }
  return schema.superRefine(run, { when: () => true } as never)
}

/** A value of which `isRight` must hold. */
export function rule<Value extends string | number>(
  schema: z.ZodType<Value, Value>,
  isRight: (value: Value) => boolean,
  text: RuleText,
) {
  return schema.refine(isRight, {
    error: (issue) => text.message(String(issue.input)),
    params: { code: text.code, hint: text.hint },
  })
}

/** Text of that form. */
export function pattern(expression: RegExp, text: RuleText) {
  return rule(z.string(), (value) => expression.test(value), text).meta({ pattern: expression.source })
}

/** RFC 1123 label that begins with a letter, as a Kubernetes Service's name must. */
export const LABEL = {
  pattern: /^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/,
  code: 'SPEC_BAD_NAME',
  message: (value: string) => `"${value}" is not an RFC 1123 name`,
  hint: 'use at most 63 of a-z, 0-9 and "-", beginning with a letter and ending with a letter or digit',
}

export const label = pattern(LABEL.pattern, LABEL)

export const envName = pattern(/^[A-Za-z_][A-Za-z0-9_]*$/, {
  code: 'SPEC_BAD_ENV_NAME',
  message: (value) => `"${value}" is not a name for an environment variable`,
  hint: 'use letters, digits and "_", not beginning with a digit',
})

const PERCENT = /^([1-9]\d?|100)%$/

export const percent = rule(z.unknown() as z.ZodType<string, string>, (value) => PERCENT.test(String(value)), {
  code: 'SPEC_BAD_PERCENT',
  message: (value) => `"${value}" is not a percentage from 1% to 100%`,
  hint: 'write it like this: 70%',
}).meta({ type: 'string', pattern: PERCENT.source })

/** A Kubernetes quantity; a bare number is accepted and read as written. */
export const quantity = rule(z.union([z.string(), z.number()]), (value) => (parseQuantity(String(value)) ?? 0) > 0, {
  code: 'SPEC_BAD_QUANTITY',
  message: (value) => `"${value}" is not a quantity`,
  hint: 'write CPU like 500m or 0.5, memory and storage like 256Mi or 1Gi',
}).meta({
  anyOf: [
    { type: 'string', pattern: QUANTITY.source },
    { type: 'number', exclusiveMinimum: 0 },
  ],
})

export const port = rule(z.number(), (value) => Number.isInteger(value) && value >= 1 && value <= 65_535, {
  code: 'SPEC_BAD_PORT',
  message: (value) => `${value} is not a port`,
  hint: 'use a whole number from 1 to 65535',
}).meta({ type: 'integer', minimum: 1, maximum: 65_535 })

export const urlPath = pattern(/^\/[^\s?#]*$/, {
  code: 'SPEC_BAD_PATH',
  message: (value) => `"${value}" is not a path of a URL`,
  hint: 'begin it with a slash, for example /healthz',
})

/** JSON Pointer (RFC 6901). */
export const pointer = pattern(/^(\/[^/]*)+$/, {
  code: 'SPEC_BAD_PATH',
  message: (value) => `"${value}" is not a path into an object`,
  hint: 'write it as a JSON Pointer, for example /spec/template/spec/containers/0/image',
})

export const secretKey = pattern(/^[-._a-zA-Z0-9]{1,253}$/, {
  code: 'SPEC_BAD_NAME',
  message: (value) => `"${value}" is not a key of a secret`,
  hint: 'use letters, digits, "-", "_" and "."',
})

export const mountPath = pattern(/^\/(?!(.*\/)?\.\.(\/|$))[^:]+$/, {
  code: 'SPEC_BAD_PATH',
  message: (value) => `"${value}" is not an absolute path in the container`,
  hint: 'write it like /data, without ".." and ":"',
})

export const schedule = rule(z.string(), (value) => cronProblem(value) === undefined, {
  code: 'SPEC_BAD_CRON',
  message: (value) => `"${value}" is not a cron schedule: ${cronProblem(value)}`,
  hint: 'five fields: minute hour day month weekday, for example "0 3 * * *" for 03:00 every day',
})

/** A list of words, or one line that is split into words by a shell's quoting rules without a shell. */
export const command = z.union([
  rule(z.string(), (value) => (splitWords(value)?.length ?? 0) > 0, {
    code: 'SPEC_BAD_COMMAND',
    message: (value) => (value.trim() === '' ? 'the command is empty' : 'a quote in this command is not closed'),
    hint: 'write a list of words: [node, dist/server.js]',
  }).meta({ minLength: 1 }),
  z.array(z.string()).min(1),
])

/** Free text of one line. */
export const text = z.string().min(1)
export const scalar = z.union([z.string(), z.number(), z.boolean()])
export const count = (min: number, max: number) => z.number().int().min(min).max(max)

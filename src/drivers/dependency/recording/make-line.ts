import { sha256 } from './canonical.ts'
import { lineValue, type CommandLine, type LineFrame } from './command-lines.ts'
import type { CommandFrame, CommandRequest } from './command-exchange.ts'
import { withoutNumbers } from './placeholder.ts'
import type { Redactor } from './redactor.ts'
import { parameterNames } from './sql-names.ts'

/** Commands that carry nothing but credentials. */
const CREDENTIALS = /^(?:AUTH|HELLO|ACL SETUSER|CONFIG SET|MIGRATE)\b/i

/** An exchange as it is written: its secrets hidden, its parameters a hash. */
export function makeLine(
  { protocol, command, way, parameters }: CommandRequest,
  response: CommandFrame[],
  redactor: Redactor,
): CommandLine {
  const names = parameterNames(command)
  const isHidden = CREDENTIALS.test(command)
  const hidden = parameters.map(({ name, value }, at) => {
    if (value === null) return 'null'
    if (isHidden || redactor.isSecretField(name ?? names[at] ?? '')) return redactor.hide('parameter', value.toString('latin1'))
    return redactor.text(value.toString('latin1'))
  })
  const shown = protocol === 'postgres' ? redactor.sql(command) : redactor.text(command)
  const frames = response.map((frame) => redactFrame(frame, redactor))
  const hash = `sha256:${sha256(JSON.stringify(hidden.map(withoutNumbers)))}`
  const { places } = redactor
  return {
    protocol,
    command: shown,
    ...(way !== undefined && { way }),
    ...(parameters.length > 0 && { parameters: { count: parameters.length, hash } }),
    response: frames,
    ...(places.length > 0 && { redactions: places }),
  }
}

function redactFrame({ kind, values }: CommandFrame, redactor: Redactor): LineFrame {
  return { kind, values: values.map(({ name, value }) => lineValue(redactValue(name, value, redactor))) }
}

/** Where a number is hidden a number stays, and binary forms keep their length: those who read them still can. */
function redactValue(name: string | undefined, value: Buffer | null, redactor: Redactor): Buffer | null {
  if (value === null || value.length === 0) return value
  const isText = typeof lineValue(value) === 'string'
  if (name === undefined || !redactor.isSecretField(name)) {
    if (isText) return Buffer.from(redactor.text(value.toString('utf8')))
    return redactor.isSecret(value) ? Buffer.alloc(value.length) : value
  }
  const placeholder = redactor.hide(`column ${name}`, value.toString('latin1'))
  if (!isText) return Buffer.alloc(value.length)
  return Buffer.from(/^-?[\d.]+$/.test(value.toString('latin1')) ? '0' : placeholder)
}

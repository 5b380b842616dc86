import type { Fault } from '../../../core/errors.ts'
import { Lines, conflictFault, invalidRecording } from './faults.ts'
import type { Form } from './form.ts'
import { shapeFaults, type Shape } from './json-shape.ts'
import { isJsonFault, readJson } from './json-tree.ts'

/** A value on a line: a text, other bytes as base64, or none (SQL's NULL). */
export type LineValue = string | { base64: string } | null

/** One part of an exchange in its protocol: a row, a reply, a message. */
export interface LineFrame {
  /** The protocol's own word: `DataRow`, `bulk`, `message`. */
  kind: string
  values: LineValue[]
  /** How many parts of the request had passed before this one came; absent: all. */
  after?: number
}

/** One exchange of a protocol that is not HTTP: one line of a recording. */
export interface CommandLine {
  protocol: string
  /** A statement, a command's name, a gRPC method. */
  command: string
  /** How it was asked, where that makes another answer. */
  way?: string
  /** `sha256:` and the digest of the parameters as they are compared, and how many there are. */
  parameters?: { count: number; hash: string }
  /** The parts of the request, where the protocol keeps them. */
  request?: LineFrame[]
  response: LineFrame[]
  redactions?: string[]
  repeats?: number
  /** Why the line is here without content, and so cannot be played. */
  omitted?: string
}

const FRAME: Shape = { object: { kind: 'text', values: { list: 'command value' } }, may: { after: 'whole number' } }
const LINE: Shape = {
  object: { protocol: 'text', command: 'text', response: { list: FRAME } },
  may: {
    way: 'text',
    parameters: { object: { count: 'whole number', hash: { matches: /^sha256:[0-9a-f]{64}$/, form: '"sha256:" and a digest' } } },
    request: { list: FRAME },
    redactions: { list: 'text' },
    repeats: 'whole number',
    omitted: 'text',
  },
}

/** Every fault of the text of a recording in JSON lines, with its place. */
export function checkLines(text: string, file: string): Fault[] {
  const conflict = conflictFault(text, file)
  if (conflict !== undefined) return [conflict]
  return text.split('\n').flatMap((line, index) => {
    if (line.trim() === '') return []
    const lines = new Lines(line)
    const tree = readJson(line)
    const faults = isJsonFault(tree)
      ? [{ code: 'RECORDING_BAD_LINE', message: `not JSON: ${tree.message}`, hint: BAD_LINE, file, ...lines.at(tree.at) }]
      : shapeFaults(tree, LINE, line, file, lines)
    return faults.map((fault) => ({ ...fault, line: index + 1 }))
  })
}

const BAD_LINE = 'delete the line and record that exchange again, or take the file from git'

export const lineForm: Form<CommandLine> = {
  parse(text, file) {
    const faults = checkLines(text, file)
    if (faults.length > 0) throw invalidRecording(file, faults)
    return text
      .split('\n')
      .filter((line) => line.trim() !== '')
      .map((line) => JSON.parse(line) as CommandLine)
  },
  render: (lines) => lines.map((line) => `${JSON.stringify(line)}\n`).join(''),
  keyOf: ({ protocol, command, way, parameters }) =>
    JSON.stringify([protocol, command, ...(way === undefined ? [] : [way]), parameters?.hash ?? '']),
  answerOf: ({ request, response, omitted }) => JSON.stringify([request, response, omitted]),
  repeatsOf: (line) => line.repeats ?? 1,
  withRepeats: (line, repeats) => ({ ...line, repeats }),
  files: () => [],
}

/** A value as it is written; bytes that are UTF-8 without control characters are a text. */
export function lineValue(bytes: Buffer | null): LineValue {
  if (bytes === null) return null
  const text = bytes.toString('utf8')
  // oxlint-disable-next-line no-control-regex -- what is not to be read by people is written as base64
  return Buffer.from(text).equals(bytes) && !/[\u0000-\u0008\u000E-\u001F]/.test(text)
    ? text
    : { base64: bytes.toString('base64') }
}

export function valueBytes(value: LineValue): Buffer | null {
  if (value === null) return null
  return typeof value === 'string' ? Buffer.from(value) : Buffer.from(value.base64, 'base64')
}

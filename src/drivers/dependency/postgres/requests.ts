import type { CommandRequest, CommandValue } from '../recording/command-exchange.ts'
import { readStrings } from '../../postgres/messages.ts'
import { ProtocolError } from './splitter.ts'
import type { Statement } from './transaction.ts'

/** What a Bind message says. */
export interface Binding {
  portal: string
  statement: string
  /** Format codes and values, as they came. */
  formats: number[]
  values: (Buffer | null)[]
  resultFormats: number[]
}

/** Longer SQL and longer parameters are not recorded: what is compared must be read whole. */
export const LONGEST_RECORDED = 1024 * 1024

/** Why the rows of COPY are left out. */
export const COPY_OUT = 'the columns of what COPY gives have no names, by which secrets are known'

/** Whether text in this encoding is recorded; SQL_ASCII is what the bytes are. */
export function isUtf8(encoding: string): boolean {
  return /^(?:utf_?-?8|unicode|sql_?ascii)$/i.test(encoding.trim())
}

/** SQL as people read it; bytes that are no UTF-8 a character each. */
export function sqlOf(bytes: Buffer): string {
  const text = bytes.toString('utf8')
  return text.includes('\uFFFD') ? bytes.toString('latin1') : text
}

export function simpleRequest(sql: string): CommandRequest {
  return { protocol: 'postgres', command: sql, way: 'simple', parameters: [] }
}

/** What a statement takes and gives, asked before it is run. */
export function describeRequest(sql: string): CommandRequest {
  return { protocol: 'postgres', command: sql, way: 'describe', parameters: [] }
}

/** The error of a statement that could not even be prepared. */
export function parseRequest(sql: string): CommandRequest {
  return { protocol: 'postgres', command: sql, way: 'parse', parameters: [] }
}

/** A prepared statement with its parameters; `binary` where its values are asked for in binary form. */
export function boundRequest(sql: string, { values, resultFormats }: Binding): CommandRequest {
  const isText = resultFormats.every((format) => format === 0)
  const way = isText ? undefined : resultFormats.every((format) => format === 1) ? 'binary' : `formats ${resultFormats.join(',')}`
  const parameters = values.map((value): CommandValue => ({ value: value && Buffer.from(value) }))
  return { protocol: 'postgres', command: sql, ...(way && { way }), parameters }
}

/** What sessions begin with: the settings that the server reports, where the client asked for `asked`. */
export function startupRequest(asked: Record<string, string>): CommandRequest {
  const settings = Object.entries(asked)
    .map(([name, value]): [string, string] => [name.toLowerCase(), value])
    .filter(([name]) => !CLIENTS_OWN.has(name))
    .sort(([a], [b]) => (a < b ? -1 : 1))
  const parameters = settings.flat().map((text): CommandValue => ({ value: Buffer.from(text) }))
  return { protocol: 'postgres', command: 'the session', way: 'startup', parameters }
}

/** They name the client, and change nothing of what it is answered. */
const CLIENTS_OWN = new Set(['application_name', 'fallback_application_name'])

/** Throws ProtocolError. */
export function readBinding(body: Buffer): Binding {
  try {
    const [portal = '', statement = ''] = readStrings(body, 2)
    let at = Buffer.byteLength(portal) + Buffer.byteLength(statement) + 2
    const int16 = (): number => body.readInt16BE((at += 2) - 2)
    const list = (): number[] => Array.from({ length: int16() }, int16)
    const formats = list()
    const values = Array.from({ length: int16() }, () => {
      const length = body.readInt32BE(at)
      at += 4
      if (length < 0) return null
      at += length
      if (at > body.length) throw new RangeError('a parameter is longer than its message')
      return body.subarray(at - length, at)
    })
    return { portal, statement, formats, values, resultFormats: list() }
  } catch (error) {
    if (error instanceof RangeError) throw new ProtocolError('a Bind message is not whole')
    throw error
  }
}

/** Why a text is not recorded, and so not played either: what it does is more than an answer. */
export function whyNotRecorded(statements: readonly Statement[]): string | undefined {
  const verbs = new Set(statements.map(({ verb }) => verb))
  if (['declare', 'fetch', 'move'].some((verb) => verbs.has(verb))) return 'what a cursor gives depends on what it gave before'
  if (['listen', 'unlisten', 'notify'].some((verb) => verbs.has(verb))) return 'notifications are not recorded'
  return undefined
}

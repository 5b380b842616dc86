import { int32, message, readErrorFields, readStrings } from '../../postgres/messages.ts'
import type { CommandFrame, CommandValue } from '../recording/command-exchange.ts'
import { isSecretName } from '../recording/secret-names.ts'

/** A column as RowDescription has it, less the table that it is of: its number is another one in every database. */
export interface Column {
  name: string
  /** Type, its size and modifier, and the format of its values. */
  type: string
}

/** A part of an answer that was recorded and is no message of the protocol. */
export class UnknownFrame extends Error {}

/** Fields of errors and notices that say where in the server's own source they were made. */
const SERVERS_OWN = new Set(['F', 'L', 'R'])
const KINDS: Record<string, string> = {
  t: 'ParameterDescription',
  n: 'NoData',
  D: 'DataRow',
  C: 'CommandComplete',
  I: 'EmptyQueryResponse',
  E: 'ErrorResponse',
  N: 'NoticeResponse',
  S: 'ParameterStatus',
  H: 'CopyOutResponse',
  d: 'CopyData',
  c: 'CopyDone',
}

const text = (value: string): CommandValue => ({ value: Buffer.from(value) })

/** The columns that a RowDescription's body names. */
export function readColumns(body: Buffer): Column[] {
  const columns: Column[] = []
  let at = 2
  for (let left = body.readInt16BE(0); left > 0; left -= 1) {
    const end = body.indexOf(0, at)
    const name = body.toString('utf8', at, end)
    at = end + 7
    columns.push({
      name,
      type: [body.readUInt32BE(at), body.readInt16BE(at + 4), body.readInt32BE(at + 6), body.readInt16BE(at + 10)].join(' '),
    })
    at += 12
  }
  return columns
}

/** `name type size modifier format` for each column. */
export function columnsFrame(columns: readonly Column[]): CommandFrame {
  return { kind: 'RowDescription', values: columns.map(({ name, type }) => text(`${name} ${type}`)) }
}

/** A message of the server as a part of a recording; `columns` name the values of rows. Undefined for one that is not recorded. */
export function readFrame(type: string, body: Buffer, columns: readonly Column[] | undefined): CommandFrame | undefined {
  const kind = KINDS[type]
  if (type === 'T') return columnsFrame(readColumns(body))
  if (kind === undefined) return undefined
  if (type === 'D') return { kind, values: readValues(body, columns) }
  if (type === 'E' || type === 'N') return { kind, values: errorValues(readErrorFields(body)) }
  if (type === 't') {
    return { kind, values: Array.from({ length: body.readInt16BE(0) }, (_, at) => text(String(body.readUInt32BE(2 + 4 * at)))) }
  }
  if (type === 'H') {
    const formats = Array.from({ length: body.readInt16BE(1) }, (_, at) => String(body.readInt16BE(3 + 2 * at)))
    return { kind, values: [String(body[0]), ...formats].map(text) }
  }
  if (type === 'd') return { kind, values: [{ value: Buffer.from(body) }] }
  return { kind, values: readStrings(body, 2).map(text) }
}

/** A part of a recording as the server's message. Throws UnknownFrame. */
export function writeFrame({ kind, values }: CommandFrame): Buffer {
  const texts = values.map(({ value }) => value?.toString('utf8') ?? '')
  switch (kind) {
    case 'RowDescription':
      return message('T', int16(values.length), ...texts.map(writeColumn))
    case 'ParameterDescription':
      return message('t', int16(values.length), ...texts.map((oid) => int32(Number(oid) | 0)))
    case 'NoData':
      return message('n')
    case 'DataRow':
      return message(
        'D',
        int16(values.length),
        ...values.flatMap(({ value }) => (value ? [int32(value.length), value] : [int32(-1)])),
      )
    case 'CommandComplete':
      return message('C', `${texts[0] ?? ''}\0`)
    case 'EmptyQueryResponse':
      return message('I')
    case 'ErrorResponse':
    case 'NoticeResponse':
      return message(kind[0]!, ...pairsOf(texts).map(([field, said]) => `${field}${said}\0`), '\0')
    case 'ParameterStatus':
      return message('S', `${texts[0] ?? ''}\0${texts[1] ?? ''}\0`)
    case 'CopyOutResponse':
      return message(
        'H',
        Buffer.from([Number(texts[0])]),
        int16(texts.length - 1),
        ...texts.slice(1).map((one) => int16(Number(one))),
      )
    case 'CopyData':
      return message('d', values[0]?.value ?? Buffer.alloc(0))
    case 'CopyDone':
      return message('c')
    default:
      throw new UnknownFrame(`the recording has a part "${kind}", which is none of Postgres`)
  }
}

/** SQLSTATE of an ErrorResponse. */
export function stateOf({ values }: CommandFrame): string {
  return pairsOf(values.map(({ value }) => value?.toString('utf8') ?? '')).find(([field]) => field === 'C')?.[1] ?? ''
}

/** Values of a row; what it names twice is the first column's. */
function readValues(body: Buffer, columns: readonly Column[] | undefined): CommandValue[] {
  const values: CommandValue[] = []
  let at = 2
  for (let column = 0; column < body.readInt16BE(0); column += 1) {
    const length = body.readInt32BE(at)
    at += 4
    const name = columns?.[column]?.name
    // A copy: the piece of the socket that it came in is not kept.
    const value = length < 0 ? null : Buffer.from(body.subarray(at, at + length))
    values.push({ ...(name !== undefined && { name }), value })
    at += Math.max(length, 0)
  }
  return values
}

/** Letter and text in turn. A detail that shows a whole row, or the value of a column, is named as what it shows. */
function errorValues(fields: Map<string, string>): CommandValue[] {
  return [...fields]
    .filter(([field]) => !SERVERS_OWN.has(field))
    .flatMap(([field, said]) => [text(field), { ...(field === 'D' && { name: nameOfDetail(said) }), value: Buffer.from(said) }])
}

function nameOfDetail(detail: string): string {
  if (detail.startsWith('Failing row contains')) return 'secret'
  const columns = /\(([^)]*)\)=\(/.exec(detail)?.[1] ?? ''
  return columns.split(', ').find((column) => isSecretName(column)) ?? columns
}

function writeColumn(column: string): Buffer {
  const [, name = '', oid, size, modifier, format] = /^(.*) (\d+) (-?\d+) (-?\d+) ([01])$/s.exec(column) ?? []
  if (format === undefined)
    throw new UnknownFrame(`the recording has a column "${column}", which is not name, type, size, modifier and format`)
  const type = int32(Number(oid) | 0)
  return Buffer.concat([
    Buffer.from(`${name}\0`),
    Buffer.alloc(6),
    type,
    int16(Number(size)),
    int32(Number(modifier)),
    int16(Number(format)),
  ])
}

function pairsOf(texts: readonly string[]): [string, string][] {
  return texts.flatMap((one, at): [string, string][] => (at % 2 === 0 ? [[one, texts[at + 1] ?? '']] : []))
}

function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeInt16BE(value)
  return bytes
}

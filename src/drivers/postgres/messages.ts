/** Protocol 3.0, and the codes that stand where its number would be. */
export const CODE = { protocol: 196_608, cancel: 80_877_102, ssl: 80_877_103, gss: 80_877_104 } as const

/** One message: a type's letter, a length, a body. */
export function message(type: string, ...parts: (Buffer | string)[]): Buffer {
  const body = Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : part)))
  const head = Buffer.alloc(5)
  head.write(type, 0, 'latin1')
  head.writeInt32BE(4 + body.length, 1)
  return Buffer.concat([head, body])
}

export function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}

/** A message without a type: what a connection begins with. */
export function opening(code: number, ...parts: (Buffer | string)[]): Buffer {
  const body = Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : part)))
  return Buffer.concat([int32(8 + body.length), int32(code), body])
}

/** The parameters that open a session. */
export function startup(parameters: Record<string, string>): Buffer {
  const pairs = Object.entries(parameters).map(([name, value]) => `${name}\0${value}\0`)
  return opening(CODE.protocol, ...pairs, '\0')
}

/** What an ErrorResponse or NoticeResponse says, as far as it is used here. */
export interface ErrorFields {
  severity: 'ERROR' | 'FATAL'
  code: string
  message: string
  detail?: string
  hint?: string
}

export function errorResponse({ severity, code, message: text, detail, hint }: ErrorFields): Buffer {
  const fields = [`S${severity}\0V${severity}\0C${code}\0M${text}\0`]
  if (detail !== undefined) fields.push(`D${detail}\0`)
  if (hint !== undefined) fields.push(`H${hint}\0`)
  return message('E', ...fields, '\0')
}

/** The fields of an ErrorResponse's body, by their letters. */
export function readErrorFields(body: Buffer): Map<string, string> {
  const fields = body.toString('utf8').split('\0')
  return new Map(fields.filter((field) => field !== '').map((field) => [field.slice(0, 1), field.slice(1)]))
}

/** Strings that end with a zero byte, from the front. */
export function readStrings(body: Buffer, count: number): string[] {
  const strings: string[] = []
  let at = 0
  while (strings.length < count) {
    const end = body.indexOf(0, at)
    if (end < 0) break
    strings.push(body.toString('utf8', at, end))
    at = end + 1
  }
  return strings
}

/** The columns of a DataRow's body, as text. */
export function readRow(body: Buffer): (string | null)[] {
  const row: (string | null)[] = []
  let at = 2
  for (let column = body.readInt16BE(0); column > 0; column -= 1) {
    const length = body.readInt32BE(at)
    at += 4
    row.push(length < 0 ? null : body.toString('utf8', at, at + length))
    at += Math.max(length, 0)
  }
  return row
}

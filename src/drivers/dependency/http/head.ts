import { METHODS } from 'node:http'

/** A message that is not HTTP/1.1 as RFC 9112 writes it. Lenient reading is what smuggling lives on, so nothing odd is mended. */
export class MalformedError extends Error {
  /** 400, 431, 501 or 505. */
  readonly status: number

  constructor(message: string, status = 400) {
    super(message)
    this.name = 'MalformedError'
    this.status = status
  }
}

export interface ParsedRequest {
  method: string
  target: string
  version: '1.0' | '1.1'
  headers: string[]
}

export interface ParsedResponse {
  version: '1.0' | '1.1'
  status: number
  statusText: string
  headers: string[]
}

const REQUEST_LINE = /^([A-Z-]+) ([\x21\x22\x24-\x7e]+) HTTP\/(\d)\.(\d)$/
const STATUS_LINE = /^HTTP\/1\.([01]) ([1-9]\d\d)(?: ([\t\x20-\x7e\x80-\xff]*))?$/
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/
const knownMethods = new Set(METHODS)

/** Reads a request's head, `text` in latin1 without its last empty line. Throws MalformedError. */
export function parseRequestHead(text: string, maxFields: number): ParsedRequest {
  const lineEnd = endOfLine(text)
  const line = REQUEST_LINE.exec(text.slice(0, lineEnd))
  if (!line) throw new MalformedError('the request line is not METHOD TARGET HTTP/1.1')
  const [, method = '', target = '', major, minor] = line
  if (major !== '1' || (minor !== '0' && minor !== '1'))
    throw new MalformedError(`HTTP/${major}.${minor} is not spoken here`, 505)
  if (!knownMethods.has(method)) throw new MalformedError(`the method ${method.slice(0, 40)} is not known`, 501)
  return { method, target, version: minor === '0' ? '1.0' : '1.1', headers: parseFields(text, lineEnd + 2, maxFields) }
}

/** Reads an answer's head. Throws MalformedError. */
export function parseResponseHead(text: string, maxFields: number): ParsedResponse {
  const lineEnd = endOfLine(text)
  const line = STATUS_LINE.exec(text.slice(0, lineEnd))
  if (!line) throw new MalformedError('the status line is not HTTP/1.1 STATUS')
  const [, minor, status, statusText = ''] = line
  return {
    version: minor === '0' ? '1.0' : '1.1',
    status: Number(status),
    statusText,
    headers: parseFields(text, lineEnd + 2, maxFields),
  }
}

/** Reads field lines from `start` to the end of `text`: `[name, value, …]`. Throws MalformedError. */
export function parseFields(text: string, start: number, maxFields: number): string[] {
  const fields: string[] = []
  let at = start
  while (at < text.length) {
    let lineEnd = text.indexOf('\r\n', at)
    if (lineEnd === -1) lineEnd = text.length
    const colon = text.indexOf(':', at)
    if (colon === -1 || colon >= lineEnd) throw new MalformedError('a header line has no colon, or is folded')
    const name = text.slice(at, colon)
    if (!isToken(name)) throw new MalformedError('a header name has characters that no name has, or the line is folded')
    const value = trimmed(text, colon + 1, lineEnd)
    if (!isFieldValue(value))
      throw new MalformedError(`the value of ${name.slice(0, 60)} has control characters or a bare line break`)
    if (fields.length >= 2 * maxFields) throw new MalformedError(`there are more than ${maxFields} headers`, 431)
    fields.push(name, value)
    at = lineEnd + 2
  }
  return fields
}

export function isToken(name: string): boolean {
  return TOKEN.test(name)
}

export function isFieldValue(value: string): boolean {
  return VALUE.test(value)
}

/** Whether a list header (`Connection`) has a member, both by their lower-case names. */
export function listHas(headers: readonly string[], lowerName: string, lowerMember: string): boolean {
  for (let index = 0; index < headers.length; index += 2) {
    const name = headers[index]!
    if (name.length !== lowerName.length || name.toLowerCase() !== lowerName) continue
    const value = headers[index + 1]!.toLowerCase()
    if (value === lowerMember || value.split(',').some((member) => member.trim() === lowerMember)) return true
  }
  return false
}

/** Where the head's closing empty line begins; -1 when it has not come yet. Throws MalformedError for a bare line feed, which would never end. */
export function findHeadEnd(buffer: Buffer, from: number): number {
  const end = buffer.indexOf('\r\n\r\n', from, 'latin1')
  if (end !== -1) return end
  for (let at = buffer.indexOf(10); at !== -1; at = buffer.indexOf(10, at + 1))
    if (at === 0 || buffer[at - 1] !== 13) throw new MalformedError('a line ends with a bare line feed')
  return -1
}

/** The first value of a header, by its lower-case name. */
export function headerOf(headers: readonly string[], lowerName: string): string | undefined {
  for (let index = 0; index < headers.length; index += 2) {
    const name = headers[index]!
    if (name.length === lowerName.length && name.toLowerCase() === lowerName) return headers[index + 1]
  }
  return undefined
}

/** Every value of a header, by its lower-case name. */
export function headersOf(headers: readonly string[], lowerName: string): string[] {
  const values: string[] = []
  for (let index = 0; index < headers.length; index += 2) {
    const name = headers[index]!
    if (name.length === lowerName.length && name.toLowerCase() === lowerName) values.push(headers[index + 1]!)
  }
  return values
}

/** Without the spaces and tabs around it. */
function trimmed(text: string, start: number, end: number): string {
  let from = start
  let to = end
  while (from < to && isBlank(text.charCodeAt(from))) from += 1
  while (to > from && isBlank(text.charCodeAt(to - 1))) to -= 1
  return text.slice(from, to)
}

function isBlank(char: number): boolean {
  return char === 32 || char === 9
}

function endOfLine(text: string): number {
  const end = text.indexOf('\r\n')
  return end === -1 ? text.length : end
}

import { readFile, realpath, stat } from 'node:fs/promises'
import { LineCounter } from 'yaml'
import type { Fault } from '../core/errors.ts'
import { isInside } from './inside.ts'

/** Above this the parser could be made to work for minutes; a real file has a few kilobytes. */
export const MAX_FILE_BYTES = 128 * 1024

/** Of one kind and file; nobody reads more in one go. */
export const MAX_FAULTS = 200

/** A file's text, and where its lines begin. */
export interface Source {
  /** Absolute path. */
  file: string
  text: string
  lines: LineCounter
}

/** A stretch of a source, in UTF-16 units from its start; `end` is exclusive. */
export interface Span {
  source: Source
  start: number
  end: number
}

export interface FaultText {
  code: string
  message: string
  hint?: string | undefined
}

/** Reads a file that should be small UTF-8 text and really lie below `root` (a real path). What is wrong goes to `faults`; then the result is undefined. */
export async function readSource(file: string, root: string, faults: Fault[]): Promise<Source | undefined> {
  const refuse = (code: string, message: string, hint: string, at: { line: number; column: number } = { line: 1, column: 1 }) => {
    faults.push({ code, message, hint, file, ...at })
    return undefined
  }
  let bytes: Buffer
  try {
    if (!isInside(root, await realpath(file))) {
      const hint = 'put the file itself here'
      return refuse('SPEC_OUTSIDE_WORKSPACE', 'this is a symlink that leads out of the workspace', hint)
    }
    const info = await stat(file)
    if (!info.isFile())
      return refuse('SPEC_NOT_A_FILE', 'this is not a regular file', 'put the YAML text in a plain file of this name')
    if (info.size > MAX_FILE_BYTES) {
      const size = `${Math.ceil(info.size / 1024)} KiB`
      return refuse(
        'SPEC_TOO_LARGE',
        `the file has ${size}; the limit is ${MAX_FILE_BYTES / 1024} KiB`,
        'keep data out of it: mount a volume or read it from the image',
      )
    }
    bytes = await readFile(file)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return refuse('SPEC_FILE_NOT_FOUND', 'this file does not exist', 'check the path')
    return refuse(
      'SPEC_UNREADABLE',
      `this file cannot be read: ${message}`,
      `check its permissions: ls -l ${JSON.stringify(file)}`,
    )
  }
  const invalid = firstInvalidByte(bytes)
  if (invalid !== undefined) {
    const before = bytes.subarray(0, invalid)
    const line = before.toString('utf8').split('\n')
    const at = { line: line.length, column: line.at(-1)!.length + 1 }
    const wide = bytes[0] === 0xff || bytes[0] === 0xfe ? ' (it looks like UTF-16)' : ''
    return refuse('SPEC_NOT_UTF8', `the file is not UTF-8 text${wide}`, 'save it as UTF-8 in your editor', at)
  }
  return makeSource(file, bytes.toString('utf8').replace(/^\uFEFF/, ''))
}

/** A source of a text that is already here. */
export function makeSource(file: string, text: string): Source {
  const lines = new LineCounter()
  lines.addNewLine(0)
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) lines.addNewLine(at + 1)
  return { file, text, lines }
}

/** Faults that point at a secret: what they point at, and what follows it, is not shown. */
const SECRETS = new Set(['SPEC_URL_CREDENTIALS', 'SPEC_SECRET_IN_TEXT'])

/** A fault at a span: position, underlined length (to the end of the first line at most) and the line's text. */
export function faultAt(span: Span, fault: FaultText): Fault {
  const { source } = span
  const { line, col } = source.lines.linePos(span.start)
  const lineStart = source.lines.lineStarts[line - 1] ?? 0
  const newline = source.text.indexOf('\n', lineStart)
  const lineEnd = newline < 0 ? source.text.length : newline
  const snippet = source.text.slice(lineStart, Math.min(lineEnd, span.start + 300)).replace(/\r$/, '')
  const underlined = source.text.slice(span.start, Math.min(span.end, lineEnd)).trimEnd().length
  const from = span.start - lineStart
  const isSecret = SECRETS.has(fault.code)
  return {
    code: fault.code,
    message: fault.message,
    ...(fault.hint !== undefined && { hint: fault.hint }),
    file: source.file,
    line,
    column: col,
    length: Math.max(1, underlined),
    snippet: isSecret ? snippet.slice(0, from) + '*'.repeat(Math.min(underlined, snippet.length - from)) : snippet,
  }
}

/** The span's place for a human or a model. */
export function positionOf(span: Span): { file: string; line: number; column: number } {
  const { line, col } = span.source.lines.linePos(span.start)
  return { file: span.source.file, line, column: col }
}

/** `file:line` of a span, for a message. */
export function placeOf(span: Span): string {
  const { file, line } = positionOf(span)
  return `${file}:${line}`
}

/** Offset of the first byte that no UTF-8 text holds, or undefined. */
function firstInvalidByte(bytes: Buffer): number | undefined {
  const text = bytes.toString('utf8')
  let offset = 0
  let from = 0
  for (let at = text.indexOf('\uFFFD'); at >= 0; at = text.indexOf('\uFFFD', at + 1)) {
    offset += Buffer.byteLength(text.slice(from, at))
    const isWritten = bytes[offset] === 0xef && bytes[offset + 1] === 0xbf && bytes[offset + 2] === 0xbd
    if (!isWritten) return offset
    from = at
  }
  return undefined
}

import { isAbsolute, relative, sep } from 'node:path'
import type { ErrorShape, Fault } from './errors.ts'

export interface RenderOptions {
  color: boolean
  /** Files below it are shown relative to it; the process's own folder by default. */
  cwd?: string
}

/** The widest excerpt of a user's line, in characters. */
const EXCERPT = 120

const STYLES = { bold: '1', red: '31;1', blue: '34', cyan: '36', dim: '2' }
type Paint = (style: keyof typeof STYLES, text: string) => string

/** One fault: header, place, the line with a caret below it, hint. Several lines without a trailing newline; never a control character of the input. */
export function renderFault(fault: Fault, options: RenderOptions): string {
  const paint = painter(options.color)
  const lines = [header(fault.code, fault.message, paint)]
  const number = String(fault.line ?? '')
  const gutter = ' '.repeat(Math.max(1, number.length))
  if (fault.file !== undefined) {
    const place = [shortPath(fault.file, options.cwd ?? process.cwd()), fault.line, fault.column]
      .filter((part) => part !== undefined)
      .join(':')
    lines.push(`${gutter} ${paint('blue', '-->')} ${clean(place)}`)
  }
  if (fault.snippet !== undefined && fault.line !== undefined) {
    const { text, caret } = excerpt(fault)
    lines.push(`${gutter} ${paint('blue', '|')}`)
    lines.push(`${paint('blue', `${number} |`)} ${text}`.trimEnd())
    if (caret !== '') lines.push(`${gutter} ${paint('blue', '|')} ${caret.replace(/\^+/, (carets) => paint('red', carets))}`)
  }
  if (fault.hint !== undefined) lines.push(hint(fault.hint, `${gutter} `, paint))
  return lines.join('\n')
}

/** A whole error: its faults, then its own header, evidence and hint, and the stack when it is a defect of shiv's own. */
export function renderError(shape: ErrorShape, options: RenderOptions): string {
  const paint = painter(options.color)
  const faults = shape.faults ?? []
  const blocks = faults.map((fault) => renderFault(fault, options))
  const isSaid = faults.length === 1 && faults[0]!.message === shape.message
  const own = isSaid ? [] : [header(shape.code, shape.message, paint)]
  for (const line of shape.evidence ?? []) own.push(`    ${paint('dim', clean(line))}`.trimEnd())
  if (shape.hint !== undefined && !(isSaid && faults[0]!.hint === shape.hint)) own.push(hint(shape.hint, '  ', paint))
  if (shape.stack !== undefined) {
    own.push('  this is a defect of shiv; its stack:')
    for (const line of shape.stack.split('\n').slice(1)) own.push(`    ${paint('dim', clean(line.trim()))}`)
  }
  if (own.length > 0) blocks.push(own.join('\n'))
  return blocks.join('\n\n')
}

function header(code: string, message: string, paint: Paint): string {
  const [first = '', ...more] = message.split('\n').map(clean)
  return [
    `${paint('red', `error[${clean(code)}]`)}${paint('bold', `: ${first}`)}`,
    ...more.map((line) => `  ${line}`.trimEnd()),
  ].join('\n')
}

function hint(text: string, indent: string, paint: Paint): string {
  const [first = '', ...more] = text.split('\n').map(clean)
  return [`${indent}${paint('cyan', 'hint:')} ${first}`, ...more.map((line) => `${indent}      ${line}`.trimEnd())].join('\n')
}

/** The stretch of the line around the caret, and the caret below it. */
function excerpt({ snippet = '', column = 1, length = 1 }: Fault): { text: string; caret: string } {
  const at = column - 1
  const from = snippet.length <= EXCERPT ? 0 : Math.max(0, at - EXCERPT / 3)
  const before = from > 0 ? '...' : ''
  const after = snippet.length > from + EXCERPT ? '...' : ''
  const shown = clean(snippet.slice(from, from + EXCERPT))
  const carets = Math.max(1, Math.min(length, from + EXCERPT - at))
  return {
    text: before + shown + after,
    caret: snippet.trim() === '' ? '' : ' '.repeat(before.length + at - from) + '^'.repeat(carets),
  }
}

function shortPath(file: string, cwd: string): string {
  if (!isAbsolute(file)) return file
  const way = relative(cwd, file)
  return way === '' || way.startsWith(`..${sep}`) || isAbsolute(way) ? file : way
}

/** What a terminal would obey becomes harmless: colour sequences vanish, a tab becomes one space, other controls and direction marks a `?`. */
function clean(text: string): string {
  // oxlint-disable-next-line no-control-regex
  const plain = text.replace(/\u001B\[[\d;?]*[ -/]*[@-~]/g, '').replace(/\t/g, ' ')
  // oxlint-disable-next-line no-control-regex
  return plain.replace(/[\u0000-\u001F\u007F-\u009F\u200E\u200F\u202A-\u202E\u2066-\u2069]/g, '?')
}

function painter(color: boolean): Paint {
  return (style, text) => (color ? `\u001B[${STYLES[style]}m${text}\u001B[0m` : text)
}

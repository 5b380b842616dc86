/** What a statement is made of. Comments and white space are left out, and the text of whatever is no name. */
export type Token =
  /** A bare name or keyword, in lower case. */
  | { kind: 'word'; text: string }
  /** A name in double quotes, as it is. */
  | { kind: 'name'; text: string }
  /** Its text only if it is short, plain and without quotes: the name of an encoding may have to be known. */
  | { kind: 'string'; text: string }
  | { kind: 'number' | 'parameter'; text: '' }
  /** One character of punctuation or of an operator. */
  | { kind: 'sign'; text: string }

/** Names are cut to this many bytes by Postgres. */
const NAME_BYTES = 63

const SHORT_STRING = 24

const STRING: Token = { kind: 'string', text: '' }
const NUMBER: Token = { kind: 'number', text: '' }
const PARAMETER: Token = { kind: 'parameter', text: '' }
const SIGNS = Array.from({ length: 128 }, (_, code): Token => ({ kind: 'sign', text: String.fromCharCode(code) }))

/** What a character (latin1, a byte each) may be. */
const SPACE = 1
const NAME_START = 2
const NAME_PART = 4
const DIGIT = 8
const KINDS = Uint8Array.from({ length: 256 }, (_, code) => {
  const char = String.fromCharCode(code)
  if (/[ \t\n\r\f\v]/.test(char)) return SPACE
  if (/[A-Za-z_]/.test(char) || code >= 128) return NAME_START | NAME_PART
  if (/[0-9]/.test(char)) return DIGIT | NAME_PART
  return char === '$' ? NAME_PART : 0
})

const HIGH = /[\x80-\xff]/
const NUMBER_FORM = /(?:\d+(?:\.(?!\.)\d*)?|\.\d+)(?:[eE][+-]?\d+)?/y
const DOLLAR_QUOTE = /\$(?:[A-Za-z_\x80-\xff][A-Za-z_0-9\x80-\xff]*)?\$/y
/** Strings that only white space with a line end parts are one string, of the first one's kind. */
const CONTINUED = /[ \t\f\v]*(?:--[^\n\r]*)?[\n\r](?:[ \t\n\r\f\v]|--[^\n\r]*[\n\r])*'/y

/** The text ends within a string, a name or a comment, or says something in a way that is not read here. */
export class Unreadable extends Error {}

/**
 * Splits SQL into tokens as Postgres' own lexer does while `standard_conforming_strings` is on. `sql` has a character a byte (latin1), in an
 * encoding that keeps ASCII apart. `onString` is told where each string literal stands, its quotes and prefix with it. Throws Unreadable.
 */
export function lex(sql: string, onString?: (start: number, end: number) => void): Token[] {
  const tokens: Token[] = []
  const { length } = sql
  let at = 0
  let hasEscapes = false
  while (at < length) {
    const code = sql.charCodeAt(at)
    const kind = KINDS[code]!
    if (kind === SPACE) {
      at += 1
    } else if (kind & NAME_START) {
      const next = sql.charCodeAt(at + 1)
      if (next === 39 && (code | 32) === 101) {
        const start = at
        at = endOfEscaped(sql, at + 2) // E'…'
        onString?.(start, at)
        tokens.push(STRING)
      } else if (next === 38 && (code | 32) === 117 && sql[at + 2] === '"') {
        const end = endOfQuoted(sql, at + 3, '"') // U&"…"
        tokens.push({ kind: 'name', text: cut(unescape(sql.slice(at + 3, end - 1).replaceAll('""', '"'))) })
        at = end
        hasEscapes = true
      } else {
        const start = at
        do at += 1
        while (at < length && KINDS[sql.charCodeAt(at)]! & NAME_PART)
        tokens.push({ kind: 'word', text: lower(cut(sql.slice(start, at))) })
      }
    } else if (kind & DIGIT || (code === 46 && KINDS[sql.charCodeAt(at + 1)]! & DIGIT)) {
      NUMBER_FORM.lastIndex = at
      NUMBER_FORM.test(sql)
      at = NUMBER_FORM.lastIndex
      tokens.push(NUMBER)
    } else if (code === 39) {
      const end = endOfQuoted(sql, at + 1, "'")
      onString?.(at, end)
      tokens.push(end - at < SHORT_STRING ? { kind: 'string', text: sql.slice(at + 1, end - 1) } : STRING)
      at = end
    } else if (code === 34) {
      const end = endOfQuoted(sql, at + 1, '"')
      tokens.push({ kind: 'name', text: cut(sql.slice(at + 1, end - 1).replaceAll('""', '"')) })
      at = end
    } else if (code === 45 && sql.charCodeAt(at + 1) === 45) {
      while (at < length && sql.charCodeAt(at) !== 10 && sql.charCodeAt(at) !== 13) at += 1
    } else if (code === 47 && sql.charCodeAt(at + 1) === 42) {
      at = endOfComment(sql, at + 2)
    } else if (code === 36) {
      const end = endOfDollar(sql, at)
      if (end.token === STRING) onString?.(at, end.at)
      tokens.push(end.token)
      at = end.at
    } else {
      tokens.push(SIGNS[code]!)
      at += 1
    }
  }
  // With another escape character the names would be other names.
  if (hasEscapes && tokens.some(({ text }) => text === 'uescape')) throw new Unreadable('UESCAPE is not read')
  return tokens
}

/** ASCII only: other bytes are parts of characters. */
function lower(text: string): string {
  return HIGH.test(text) ? text.replace(/[A-Z]+/g, (part) => part.toLowerCase()) : text.toLowerCase()
}

/** As Postgres shortens a name, whole characters of UTF-8 only. */
function cut(name: string): string {
  if (name.length <= NAME_BYTES) return name
  let end = NAME_BYTES
  while (end > 0 && (name.charCodeAt(end) & 0xc0) === 0x80) end -= 1
  return name.slice(0, end)
}

/** Behind the closing quote; a doubled one is part of the text. */
function endOfQuoted(sql: string, from: number, quote: string): number {
  for (let at = from; ; at += 2) {
    at = sql.indexOf(quote, at)
    if (at < 0) throw new Unreadable('a quote is not closed')
    if (sql[at + 1] !== quote) return at + 1
  }
}

/** The same for E'…', where a backslash takes the next character with it. */
function endOfEscaped(sql: string, from: number): number {
  for (let at = from; at < sql.length; at += 1) {
    const code = sql.charCodeAt(at)
    if (code === 92) at += 1
    else if (code === 39) {
      if (sql.charCodeAt(at + 1) === 39) {
        at += 1
        continue
      }
      CONTINUED.lastIndex = at + 1
      if (!CONTINUED.test(sql)) return at + 1
      at = CONTINUED.lastIndex - 1
    }
  }
  throw new Unreadable('a string is not closed')
}

function endOfComment(sql: string, from: number): number {
  let depth = 1
  for (let at = from; at < sql.length; at += 1) {
    const code = sql.charCodeAt(at)
    const next = sql.charCodeAt(at + 1)
    if (code === 42 && next === 47) {
      depth -= 1
      at += 1
      if (depth === 0) return at + 1
    } else if (code === 47 && next === 42) {
      depth += 1
      at += 1
    }
  }
  throw new Unreadable('a comment is not closed')
}

/** `$1`, `$$…$$`, `$tag$…$tag$`, or a lone `$`. */
function endOfDollar(sql: string, at: number): { token: Token; at: number } {
  DOLLAR_QUOTE.lastIndex = at
  const tag = DOLLAR_QUOTE.exec(sql)?.[0]
  if (tag !== undefined) {
    const end = sql.indexOf(tag, at + tag.length)
    if (end < 0) throw new Unreadable('a dollar quote is not closed')
    return { token: STRING, at: end + tag.length }
  }
  let end = at + 1
  while (KINDS[sql.charCodeAt(end)]! & DIGIT) end += 1
  return end > at + 1 ? { token: PARAMETER, at: end } : { token: SIGNS[36]!, at: end }
}

/** `\0041` and `\+000041` resolved, into bytes of UTF-8. */
function unescape(raw: string): string {
  return raw.replace(/\\(?:(\\)|\+([0-9a-f]{6})|([0-9a-f]{4})|)/gi, (_all, mark?: string, long?: string, short?: string) => {
    if (mark !== undefined) return mark
    const point = Number.parseInt(long ?? short ?? '', 16)
    if (!(point <= 0x10ffff)) throw new Unreadable('an escape in a name is no character')
    return Buffer.from(String.fromCodePoint(point)).toString('latin1')
  })
}

/** JSON with the place of every part, so that one value of a text can be replaced and all else stays as it was written. */
export type JsonNode = (
  | { kind: 'object'; members: JsonMember[] }
  | { kind: 'array'; items: JsonNode[] }
  | { kind: 'string'; value: string }
  | { kind: 'number' }
  | { kind: 'literal' }
) & { start: number; end: number }

export interface JsonMember {
  key: string
  keyStart: number
  keyEnd: number
  value: JsonNode
}

/** Where a text is not JSON: an offset, and what was expected there. */
export interface JsonFault {
  at: number
  message: string
}

const DEEPEST = 200
const BLANK = /[ \t\n\r]*/y
const ESCAPE = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y
const QUOTE = 0x22
const BACKSLASH = 0x5c
const LITERAL = /true|false|null/y

/** Reads JSON as `JSON.parse` does, but for the depth, of which 200 is the limit. */
export function readJson(text: string): JsonNode | JsonFault {
  const reader = new Reader(text)
  try {
    return reader.document()
  } catch (error) {
    if (error instanceof NotJson) return { at: error.at, message: error.message }
    throw error
  }
}

/** Whether `readJson` met a fault. */
export function isJsonFault(result: JsonNode | JsonFault): result is JsonFault {
  return 'at' in result
}

class NotJson extends Error {
  readonly at: number
  constructor(at: number, message: string) {
    super(message)
    this.at = at
  }
}

class Reader {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  document(): JsonNode {
    const node = this.#value(0)
    this.#blank()
    if (this.#at < this.#text.length) throw new NotJson(this.#at, 'nothing more is expected here')
    return node
  }

  #value(depth: number): JsonNode {
    if (depth > DEEPEST) throw new NotJson(this.#at, `nested deeper than ${DEEPEST}`)
    this.#blank()
    const start = this.#at
    switch (this.#text[start]) {
      case '{':
        return { kind: 'object', members: this.#list('}', () => this.#member(depth)), start, end: this.#at }
      case '[':
        return { kind: 'array', items: this.#list(']', () => this.#value(depth + 1)), start, end: this.#at }
      case '"':
        return { kind: 'string', value: this.#string(), start, end: this.#at }
      default:
        if (this.#take(LITERAL) !== undefined) return { kind: 'literal', start, end: this.#at }
        if (this.#take(NUMBER) !== undefined) return { kind: 'number', start, end: this.#at }
        throw new NotJson(
          start,
          start >= this.#text.length ? 'the text ends where a value is expected' : 'a value is expected here',
        )
    }
  }

  #list<Item>(close: string, item: () => Item): Item[] {
    this.#at += 1
    const items: Item[] = []
    if (this.#next(close)) return items
    for (;;) {
      items.push(item())
      if (this.#next(close)) return items
      if (!this.#next(',')) throw new NotJson(this.#at, `"," or "${close}" is expected here`)
    }
  }

  #member(depth: number): JsonMember {
    this.#blank()
    const keyStart = this.#at
    const key = this.#string()
    const keyEnd = this.#at
    if (!this.#next(':')) throw new NotJson(this.#at, '":" is expected here')
    return { key, keyStart, keyEnd, value: this.#value(depth + 1) }
  }

  #string(): string {
    const start = this.#at
    if (this.#text[start] !== '"') throw new NotJson(start, 'a text in double quotes is expected here')
    let isEscaped = false
    for (this.#at += 1; this.#at < this.#text.length;) {
      const code = this.#text.charCodeAt(this.#at)
      if (code === QUOTE) {
        this.#at += 1
        const raw = this.#text.slice(start, this.#at)
        return isEscaped ? (JSON.parse(raw) as string) : raw.slice(1, -1)
      }
      if (code < 0x20) throw new NotJson(this.#at, 'a control character must be escaped in a text')
      if (code !== BACKSLASH) this.#at += 1
      else if (this.#take(ESCAPE) === undefined) throw new NotJson(this.#at, 'not an escape that JSON knows')
      else isEscaped = true
    }
    throw new NotJson(start, 'a text that begins here does not end')
  }

  #next(sign: string): boolean {
    this.#blank()
    if (this.#text[this.#at] !== sign) return false
    this.#at += 1
    return true
  }

  #blank(): void {
    this.#take(BLANK)
  }

  #take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at
    const found = pattern.exec(this.#text)?.[0]
    if (found !== undefined) this.#at += found.length
    return found
  }
}

/** What stands in a recording for a secret; equal secrets of one exchange have the same number. */
const PLACEHOLDER = /REDACTED-\d+/g
const ONLY_PLACEHOLDER = /^REDACTED-\d+$/

/** Shorter values, and plain words, are not looked for elsewhere: hiding every `1234` or `disabled` of a text would hide the text. */
const SHORTEST_KNOWN = 8
const PLAIN_WORD = /^(?:[a-z]{1,15}|[A-Z][a-z]{1,15}|[A-Z]{1,15})$/

/** Whether a text is a placeholder and nothing else. */
export function isPlaceholder(text: string): boolean {
  return text.startsWith('REDACTED-') && ONLY_PLACEHOLDER.test(text)
}

/** Whether there is a placeholder in a text. */
export function hasPlaceholder(text: string): boolean {
  return text.search(PLACEHOLDER) >= 0
}

/** All placeholders alike: numbers depend on what else an exchange hides. */
export function withoutNumbers(text: string): string {
  return text.replace(PLACEHOLDER, 'REDACTED')
}

/** Whether a recorded text fits another one, where a placeholder of the recorded one stands for any text. */
export function fitsPlaceholders(recorded: string, actual: string): boolean {
  const parts = recorded.split(/REDACTED(?:-\d+)?/)
  const first = parts.shift() ?? ''
  const last = parts.pop()
  if (last === undefined) return recorded === actual
  if (!actual.startsWith(first) || !actual.endsWith(last) || actual.length < first.length + last.length) return false
  let from = first.length
  for (const part of parts) {
    const at = actual.indexOf(part, from)
    if (at < 0) return false
    from = at + part.length
  }
  return from <= actual.length - last.length
}

/**
 * The secret values that were met, in memory only: a token that came in an answer is found again in the path of the next request.
 * Looks at each position of a text once, however many values there are.
 */
export class KnownSecrets {
  readonly #byStart = new Map<string, string[]>()
  /** Made with the first value: most redactors never know one. */
  #starts: Uint8Array | undefined
  readonly #values = new Set<string>()

  get size(): number {
    return this.#values.size
  }

  add(value: string): void {
    if (value.length < SHORTEST_KNOWN || this.#values.has(value) || PLAIN_WORD.test(value) || hasPlaceholder(value)) return
    for (const form of new Set([value, encodeURIComponent(wellFormed(value)), JSON.stringify(value).slice(1, -1)])) {
      this.#values.add(form)
      const start = form.slice(0, SHORTEST_KNOWN)
      const same = this.#byStart.get(start) ?? []
      same.push(form)
      this.#byStart.set(
        start,
        same.sort((a, b) => b.length - a.length),
      )
      this.#starts ??= new Uint8Array(65_536)
      this.#starts[slot(form, 0)] = 1
    }
  }

  /** The text with every known value given to `hide`. */
  replace(text: string, hide: (value: string) => string): string {
    const starts = this.#starts
    if (starts === undefined) return text
    let result = ''
    let copied = 0
    for (let at = 0; at + SHORTEST_KNOWN <= text.length; at++) {
      if (starts[slot(text, at)] === 0) continue
      const found = this.#byStart.get(text.slice(at, at + SHORTEST_KNOWN))?.find((value) => text.startsWith(value, at))
      if (found === undefined) continue
      result += text.slice(copied, at) + hide(found)
      copied = at + found.length
      at = copied - 1
    }
    return copied === 0 ? text : result + text.slice(copied)
  }
}

function slot(text: string, at: number): number {
  return (text.charCodeAt(at) * 257 + text.charCodeAt(at + 1)) & 0xffff
}

function wellFormed(text: string): string {
  return text.replace(/[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/g, '\uFFFD')
}

/** Gives the secrets of one exchange their placeholders, by first appearance. */
export class Placeholders {
  readonly known: KnownSecrets
  readonly #numbers = new Map<string, number>()

  constructor(known: KnownSecrets) {
    this.known = known
  }

  /** The same secrets for a look that leaves no trace in the numbers. */
  probe(): Placeholders {
    return new Placeholders(this.known)
  }

  /** The placeholder of a secret; a placeholder stays what it is, and nothing hides nothing. */
  hide(value: string): string {
    if (value !== '' && !isPlaceholder(value)) this.known.add(value)
    return this.hideHere(value)
  }

  /** The same for a value that may be no secret, and so is not looked for elsewhere. */
  hideHere(value: string): string {
    if (value === '' || isPlaceholder(value)) return value
    const number = this.#numbers.get(value) ?? this.#numbers.size + 1
    this.#numbers.set(value, number)
    return `REDACTED-${number}`
  }
}

import type { RawHeaders } from '../exchange.ts'
import { showPlace, type JsonStep } from './json-path.ts'
import { isJsonFault, readJson, type JsonNode } from './json-tree.ts'
import { KnownSecrets, Placeholders, isPlaceholder } from './placeholder.ts'
import type { RedactionRules } from './redaction-rules.ts'
import { isSecretName, isSecretParameter } from './secret-names.ts'
import { hideLiterals } from './sql-literals.ts'
import { holdsForm, holdsSecret, mayNameSecret, redactText } from './secret-text.ts'

/** One header field or parameter, as HAR writes it. */
export interface NameValue {
  name: string
  value: string
}

const JSON_START = /^\s*[{["]/

/** Takes the secrets out of one exchange. What is already a placeholder stays, so redacting twice is redacting once. */
export class Redactor {
  readonly #rules: RedactionRules
  readonly #secrets: Placeholders
  readonly #places = new Set<string>()

  constructor(rules: RedactionRules, secrets = new Placeholders(new KnownSecrets())) {
    this.#rules = rules
    this.#secrets = secrets
  }

  /** One for the other direction of the same exchange: the same numbers, places of its own. */
  next(): Redactor {
    return new Redactor(this.#rules, this.#secrets)
  }

  /** Where something was hidden: `header authorization`, `query token`, `$.password`; sorted. */
  get places(): string[] {
    const shown = [...this.#places].map((place) => (this.#free(place, this.#secrets.probe(), 0) === place ? place : 'a name'))
    return [...new Set(shown)].sort()
  }

  headers(raw: RawHeaders): NameValue[] {
    const fields: NameValue[] = []
    for (let at = 0; at + 1 < raw.length; at += 2) {
      const name = raw[at] ?? ''
      const value = raw[at + 1] ?? ''
      fields.push({ name, value: this.#noted(`header ${name.toLowerCase()}`, value, this.#header(name.toLowerCase(), value)) })
    }
    return fields
  }

  /** Path and query. */
  target(target: string): string {
    const mark = target.indexOf('?')
    const path = mark < 0 ? target : target.slice(0, mark)
    const segments = path.split('/').map((segment) => this.#percent('path', segment, (text) => this.#plain(text)))
    return segments.join('/') + (mark < 0 ? '' : `?${this.form(target.slice(mark + 1), 'query ')}`)
  }

  /** `a=1&b=2`, of a query or a body. */
  form(text: string, place = '$.'): string {
    return text
      .split('&')
      .map((pair) => {
        const equals = pair.indexOf('=')
        if (equals < 0) return this.#percent(`${place}…`, pair, (text) => this.#plain(text))
        const name = decode(pair.slice(0, equals))
        const isHidden = (value: string): boolean => isSecretParameter(name, value) || this.#isChosen(formPlace(name))
        const hide = (value: string): string => (isHidden(value) ? this.#secrets.hide(value) : this.#plain(value))
        const shown = this.#percent(`${place}…`, pair.slice(0, equals), (text) => this.#plain(text))
        return `${shown}=${this.#percent(place + name, pair.slice(equals + 1), hide)}`
      })
      .join('&')
  }

  /** Any text; JSON, and lines of JSON (NDJSON, server-sent events), by their fields too. */
  text(text: string): string {
    return this.#inside(text, this.#secrets, 0) ?? this.#noted('text', text, this.#lines(text))
  }

  /** A statement: as any text, and all of its string literals where it names a secret. */
  sql(statement: string): string {
    this.next().text(statement) // what stands beside its name becomes known as a secret; other literals do not
    const hide = (value: string): string => this.#secrets.hideHere(value)
    const shown = hideLiterals(statement, (name) => this.isSecretField(name), hide)
    return this.text(this.#noted('text', statement, shown))
  }

  /** Whether what has this name (a part of a form, a column, a field of a message) is hidden, whatever it is. */
  isSecretField(name: string): boolean {
    return isSecretName(name) || this.#isChosen(formPlace(name))
  }

  /** Whether the user's rules hide what is at this place. */
  isChosen(place: readonly JsonStep[]): boolean {
    return this.#isChosen(place)
  }

  /** Whether bytes that are no text hold a secret. */
  isSecret(bytes: Buffer): boolean {
    return holdsSecret(bytes, this.#secrets, this.#rules.patterns)
  }

  hide(place: string, value: string): string {
    return this.#noted(place, value, this.#secrets.hide(value))
  }

  #header(name: string, value: string): string {
    if (name === 'cookie')
      return value.replace(/([^=;\s]+)(\s*=\s*)([^;]*)/g, (_, cookie, sign, held) => cookie + sign + this.#secrets.hide(held))
    if (name === 'set-cookie') return this.#setCookie(value)
    if (this.#rules.headers.has(name)) return this.#secrets.hide(value)
    if (name === 'authorization' || name === 'proxy-authorization') {
      const [, scheme = '', rest = value] = /^([A-Za-z][\w-]*\s+)(.+)$/s.exec(value) ?? []
      return scheme + this.#secrets.hide(rest)
    }
    if (isSecretName(name)) return this.#secrets.hide(value)
    if (value.includes('?')) return this.#plain(this.#reference(value))
    return this.#plain(value)
  }

  #setCookie(value: string): string {
    const end = value.indexOf(';')
    const pair = end < 0 ? value : value.slice(0, end)
    const equals = pair.indexOf('=')
    const attributes = end < 0 ? '' : this.#plain(value.slice(end))
    return `${pair.slice(0, equals + 1)}${this.#secrets.hide(pair.slice(equals + 1))}${attributes}`
  }

  /** A header that holds an address: its query is looked at as that of a request. */
  #reference(value: string): string {
    return value.replace(/\?([^\s#<>"]+)/, (_, query: string) => `?${this.form(query, 'query ')}`)
  }

  #percent(place: string, raw: string, hide: (text: string) => string): string {
    const plain = decode(raw.replaceAll('+', ' '))
    const hidden = hide(plain)
    return hidden === plain ? raw : this.#noted(place, raw, encodeURIComponent(hidden))
  }

  #plain(text: string): string {
    return this.#inside(text, this.#secrets, 0) ?? this.#free(text, this.#secrets, 0)
  }

  #free(text: string, secrets: Placeholders, depth: number): string {
    return redactText(text, secrets, this.#rules.patterns, (inner, by, deeper) => this.#inside(inner, by, deeper), depth)
  }

  /** Each line by itself where at least one is JSON. */
  #lines(text: string): string {
    const whole = this.#free(text, this.#secrets, 0)
    if (!/^(?:data: ?)?[{[]/m.test(whole)) return whole
    return whole.replace(/^(data: ?|)([{[].*)$/gm, (line, mark: string, json: string) => {
      const inside = this.#inside(json, this.#secrets, 0)
      return inside === undefined ? line : mark + inside
    })
  }

  /** A text that is JSON, redacted by its fields; undefined when it is none. */
  #inside(text: string, secrets: Placeholders, depth: number): string | undefined {
    if (depth > 3 || !JSON_START.test(text)) return undefined
    const tree = readJson(text)
    if (isJsonFault(tree)) return undefined
    // Most texts hold no secret at all, and one look at the whole is much cheaper than one at each value.
    const isClean = !holdsForm(text, secrets, this.#rules.patterns)
    const isHarmless = (node: JsonNode): boolean => {
      if (!isClean || text.slice(node.start, node.end).includes('\\')) return false
      return node.kind !== 'string' || !(mayNameSecret(node.value) || JSON_START.test(node.value))
    }
    const cuts: { start: number; end: number; by: string }[] = []
    const place: JsonStep[] = []
    const under = (step: JsonStep, node: JsonNode, isHidden: boolean): void => {
      place.push(step)
      visit(node, isHidden || this.#isChosen(place))
      place.pop()
    }
    const visit = (node: JsonNode, isHidden: boolean): void => {
      if (node.kind === 'object') {
        for (const { key, keyStart, keyEnd, value } of node.members) {
          const isPlain = isClean && !text.slice(keyStart, keyEnd).includes('\\')
          const shown = isPlain ? key : this.#free(key, secrets, depth + 1)
          if (shown !== key) cuts.push({ start: keyStart, end: keyEnd, by: JSON.stringify(shown) })
          under(key, value, isHidden || isSecretName(key))
        }
      } else if (node.kind === 'array') {
        node.items.forEach((item, index) => under(index, item, isHidden))
      } else if (node.kind !== 'literal' && (isHidden || !isHarmless(node))) {
        const by = this.#leaf(node, text.slice(node.start, node.end), isHidden, secrets, depth)
        if (by === undefined) return
        cuts.push({ start: node.start, end: node.end, by })
        this.#places.add(showPlace(place))
      }
    }
    visit(tree, depth === 0 && this.#isChosen([]))
    return splice(text, cuts)
  }

  /** What stands in place of a value of JSON; undefined when it stays. A number becomes 0, so that readers still find a number. */
  #leaf(node: JsonNode, raw: string, isHidden: boolean, secrets: Placeholders, depth: number): string | undefined {
    if (node.kind === 'string') {
      if (isPlaceholder(node.value) || node.value === '') return undefined
      const seen = isHidden
        ? secrets.hide(node.value)
        : (this.#inside(node.value, secrets, depth + 1) ?? this.#free(node.value, secrets, depth))
      return seen === node.value ? undefined : JSON.stringify(seen)
    }
    if (node.kind !== 'number' || raw === '0') return undefined
    if (isHidden) secrets.known.add(raw)
    const isSeen = isHidden || (raw.length >= 8 && this.#free(raw, secrets.probe(), depth) !== raw)
    return isSeen || this.#rules.patterns.some((pattern) => raw.search(pattern) >= 0) ? '0' : undefined
  }

  #isChosen(place: readonly JsonStep[]): boolean {
    return this.#rules.body.length > 0 && this.#rules.body.some((path) => path(place))
  }

  #noted(place: string, before: string, after: string): string {
    if (before !== after) this.#places.add(place)
    return after
  }
}

function splice(text: string, cuts: { start: number; end: number; by: string }[]): string {
  let result = ''
  let at = 0
  for (const { start, end, by } of cuts.sort((a, b) => a.start - b.start)) {
    result += text.slice(at, start) + by
    at = end
  }
  return result + text.slice(at)
}

/** `a[b][0]` and `a.b` of a form as a place. */
function formPlace(name: string): JsonStep[] {
  return name.split(/[[\].]+/).filter((part) => part !== '')
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text // a percent sign that encodes nothing
  }
}

import { isUtf8 } from 'node:buffer'
import { gunzipSync } from 'node:zlib'
import { isSecretName } from './secret-names.ts'
import type { Placeholders } from './placeholder.ts'

/** Secrets that are told by their form: private keys, JWTs, the tokens of well-known services, hashes of passwords. Every repetition that can fail is bounded. */
const FORMS = new RegExp(
  [
    /-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----[\s\S]*?(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|$)/,
    /(?<![\w-])eyJ[\w-]{5,}\.[\w-]{5,}(?:\.[\w-]*){0,3}/,
    /\bA(?:KIA|SIA|BIA|CCA|IDA|ROA|GPA|NPA|NVA|IPA)[A-Z0-9]{16}\b/,
    /\bg(?:h[opsur]_[A-Za-z0-9]{20,}|ithub_pat_\w{20,}|lpat-[\w-]{16,})/,
    /\b(?:xox[abeprs]-[\w-]{10,}|npm_[A-Za-z0-9]{30,}|[sr]k_(?:live|test)_\w{10,}|whsec_\w{16,}|sk-[\w-]{20,})/,
    // What passwords are kept as: bcrypt, argon2, scrypt, PBKDF2, crypt of MD5 and SHA.
    /\$(?:2[abxy]\$\d{2}\$[./A-Za-z0-9]{20,}|(?:argon2(?:id|i|d)|scrypt|[156])\$[\w./+=,$-]{8,})/,
    /\$?\bpbkdf2[\w-]{0,20}\$[\w./+=,$-]{8,}|\b(?:pbkdf2|scrypt):[\w:]{1,40}\$[\w./+=$-]{8,}/,
    /\b(?:AIza[\w-]{30,}|ya29\.[\w-]{10,}|dop_v1_\w{20,}|hv[sbr]\.[\w-]{20,})/,
  ]
    .map((form) => form.source)
    .join('|'),
  'g',
)
const IN_ADDRESS = /:\/\/[^\s/?#:@"'<>]{0,200}:([^\s/?#@"'<>]{1,1000})@/g
const AFTER_SCHEME = /\b(?:Bearer|Basic)\s{1,5}((?=[\w.~+/-]*\d)[\w.~+/-]{8,}=*)/gi
/** Without one of these in a text no name in it is secret. */
const SECRET_WORD =
  /pass|pwd|secret|token|key|cred|csrf|xsrf|auth|signature|bearer|cookie|salt|cvv|cvc|otp|pin|pan|ssn|sid|sig|jwt|card|code|saml|session|connection|assertion|verifier/i
/** `name = `, `"name": `, `PASSWORD '`, also within a text that was escaped once more; what follows is the value. */
const NAME =
  /(?<![\w$])(?:\\{0,8}["'])?(?<name>[A-Za-z_$][\w.$-]{0,80})(?:\[\d{0,5}\])?(?:\\{0,8}["'])?(?:\s{0,5}(?:=>|[:=])\s{0,5}|\s{1,5}(?='))/g
const VALUE =
  /(?<open>\\+["'])[\s\S]*?(?:\k<open>|$)|"(?:[^"\\]|\\[\s\S])*(?:"|$)|'(?:[^'\\]|\\[\s\S]|'')*(?:'|$)|[^\s&,;<>"'{}()[\]\\]+/y
const NO_SECRET = /^(?:true|false|null|none|nil|undefined|)$/i
const ELEMENT = /<([A-Za-z_][\w:.-]{0,80})(?:\s[^<>]{0,1000})?>((?:<!\[CDATA\[(?:(?!\]\]>)[\s\S]){0,2000}\]\]>|[^<])+)<\/\1\s*>/g
const CARD = /(?<![\dA-Za-z.-])(?:\d[ -]?){12,18}\d(?![\dA-Za-z.-])/g
const CARD_PREFIX =
  /^(?:4(?:\d{12}|\d{15}|\d{18})|(?:5[1-5]|2[2-7])\d{14}|3[47]\d{13}|3[068]\d{12}|(?:6011|65\d\d|35\d\d)\d{12}|62\d{14,17})$/
const PERCENT = /[\w.~+-]{0,60}(?:%[0-9A-Fa-f]{2}[\w.~+-]{0,500})+/g
const ENCODED = /[A-Za-z0-9+/_-]{16,}={0,2}/g
/** Of other signs no text is base64; hex and UUIDs are left alone. */
const MORE_THAN_HEX = /[G-Zg-z+/_]/
/** So short and so plain that only what is known by value can be in it. */
const PLAIN = /^[\w .,()-]{0,12}$/
const DEEPEST = 3
const LARGEST_UNPACKED = 1024 * 1024

/** Looks into a text that is likely to be of another form (JSON in a text); undefined when it is not. */
export type LookInto = (text: string, secrets: Placeholders, depth: number) => string | undefined

/**
 * A text without its secrets: those known by value, by the name beside them, by their form, by the user's own patterns, and runs of
 * base64 (also of gzip) with any of those within, which are hidden whole. `depth` counts how far down an encoding within an encoding is.
 */
export function redactText(
  text: string,
  secrets: Placeholders,
  patterns: readonly RegExp[],
  lookInto: LookInto,
  depth = 0,
): string {
  const hide = (value: string): string => secrets.hide(value)
  let result = secrets.known.replace(text, hide)
  for (const pattern of patterns) result = result.replace(pattern, (found) => hide(found))
  if (PLAIN.test(result)) return result
  result = result.replace(FORMS, hide)
  if (result.includes('://')) result = result.replace(IN_ADDRESS, (found, word: string) => replaceLast(found, word, hide(word)))
  result = result.replace(AFTER_SCHEME, (found, word: string) => replaceLast(found, word, hide(word)))
  if (SECRET_WORD.test(result)) {
    if (/[:=']/.test(result)) result = hideNamed(result, hide)
    if (result.includes('</'))
      result = result.replace(ELEMENT, (whole, name: string, value: string) => hideElement(whole, name, value, hide))
  }
  if (result.length >= 13) result = result.replace(CARD, (found) => (isCard(found) ? hide(found) : found))
  if (depth >= DEEPEST) return result
  const within = (inner: string, by: Placeholders): string =>
    lookInto(inner, by, depth + 1) ?? redactText(inner, by, patterns, lookInto, depth + 1)
  if (result.includes('%')) result = result.replace(PERCENT, (run) => hidePercent(run, (inner) => within(inner, secrets)))
  if (result.length < 16) return result
  return result.replace(ENCODED, (run) => hideEncoded(run, (inner) => within(inner, secrets.probe()) !== inner, hide))
}

/** In bytes that are no text three letters and a colon are chance, not a name. */
const SHORTEST_NAME_IN_BYTES = 5

/** Whether bytes that are no text hold something that would be hidden in a text; UTF-16 is seen as well. */
export function holdsSecret(bytes: Buffer, secrets: Placeholders, patterns: readonly RegExp[]): boolean {
  const text = bytes.toString('latin1')
  return isSeen(text, secrets, patterns) || (text.includes('\0') && isSeen(text.replaceAll('\0', ''), secrets, patterns))
}

function isSeen(text: string, secrets: Placeholders, patterns: readonly RegExp[]): boolean {
  const hide = (value: string): string => secrets.probe().hide(value)
  const isNamed = (): boolean => SECRET_WORD.test(text) && hideNamed(text, hide, SHORTEST_NAME_IN_BYTES) !== text
  return holdsForm(text, secrets, patterns) || isNamed()
}

/** Whether a value in a text is told to be secret by itself, without the name beside it. Each sign is looked at once for each form. */
export function holdsForm(text: string, secrets: Placeholders, patterns: readonly RegExp[]): boolean {
  if (secrets.known.replace(text, () => '') !== text) return true
  if ([...patterns, FORMS, IN_ADDRESS, AFTER_SCHEME].some((pattern) => text.search(pattern) >= 0)) return true
  if ((text.match(CARD) ?? []).some(isCard)) return true
  const isSecret = (inner: string): boolean => redactText(inner, secrets.probe(), patterns, () => undefined, 1) !== inner
  return (text.match(ENCODED) ?? []).some((run) => hideEncoded(run, isSecret, () => '') !== run)
}

/** Whether a text could name a secret, or be one in another coding: if not, and if `holdsForm` saw nothing, there is none in it. */
export function mayNameSecret(text: string): boolean {
  return SECRET_WORD.test(text) || text.includes('%')
}

function hideNamed(text: string, hide: (value: string) => string, shortest = 0): string {
  let result = ''
  let copied = 0
  NAME.lastIndex = 0
  for (let found = NAME.exec(text); found !== null; found = NAME.exec(text)) {
    const name = localName(found.groups?.['name'] ?? '')
    if (name.length < shortest || !isSecretName(name)) continue
    VALUE.lastIndex = NAME.lastIndex
    const value = VALUE.exec(text)?.[0] ?? ''
    const [, open = '', inner = '', close = ''] = /^(\\*["']|)([\s\S]*?)(\1)$/.exec(value) ?? [
      undefined,
      value.slice(0, 1),
      value.slice(1),
    ]
    if (NO_SECRET.test(inner)) continue
    result += text.slice(copied, NAME.lastIndex) + open + hide(inner) + close
    copied = NAME.lastIndex += value.length
  }
  return result + text.slice(copied)
}

/** Of `db.password` and `ns:password` the last part, also of `password` alone. */
function localName(name: string): string {
  return name.slice(Math.max(name.lastIndexOf('.'), name.lastIndexOf(':')) + 1)
}

/** Hides what an element of a secret name holds, without the signs that only say how it is written. */
function hideElement(whole: string, name: string, value: string, hide: (value: string) => string): string {
  const plain = value.replace(/^\s*<!\[CDATA\[([\s\S]*)\]\]>\s*$/, '$1')
  if (!isSecretName(localName(name)) || plain.trim() === '') return whole
  return replaceLast(whole, value, replaceLast(value, plain, hide(plain)))
}

function hideEncoded(run: string, isSecret: (text: string) => boolean, hide: (value: string) => string): string {
  if (!MORE_THAN_HEX.test(run)) return run
  if (holds(run, isSecret)) return hide(run)
  if (!run.includes('/')) return run
  const parts = run.split('/')
  return parts.map((part) => (part.length >= 16 && holds(part, isSecret) ? hide(part) : part)).join('/')
}

function holds(run: string, isSecret: (text: string) => boolean): boolean {
  if (!mayBeText(Buffer.from(run.slice(0, 16), 'base64'))) return false
  const bytes = Buffer.from(run, 'base64')
  const plain = bytes[0] === 0x1f && bytes[1] === 0x8b ? unpack(bytes) : bytes
  return plain !== undefined && plain.length >= 8 && isUtf8(plain) && !plain.includes(0) && isSecret(plain.toString('utf8'))
}

/** Whether the first bytes are those of a text or of gzip: most words and numbers of a text are no base64, and are told so at once. */
function mayBeText(start: Buffer): boolean {
  return (
    start[0] === 0x1f || !start.some((byte) => (byte < 0x20 && byte !== 0x09 && byte !== 0x0a && byte !== 0x0d) || byte > 0xf4)
  )
}

function unpack(bytes: Buffer): Buffer | undefined {
  try {
    return gunzipSync(bytes, { maxOutputLength: LARGEST_UNPACKED })
  } catch {
    return undefined // begins as gzip does and is not
  }
}

function hidePercent(run: string, redact: (text: string) => string): string {
  let plain: string
  try {
    plain = decodeURIComponent(run)
  } catch {
    return run // not percent-encoded after all
  }
  const redacted = redact(plain)
  return redacted === plain ? run : encodeURIComponent(redacted)
}

function replaceLast(whole: string, part: string, by: string): string {
  const at = whole.lastIndexOf(part)
  return whole.slice(0, at) + by + whole.slice(at + part.length)
}

/** Whether digits are a card's number: its maker's form, and the check digit is right. */
export function isCard(text: string): boolean {
  const digits = text.replace(/\D/g, '')
  if (!CARD_PREFIX.test(digits)) return false
  let sum = 0
  for (let at = 0; at < digits.length; at++) {
    const digit = Number(digits[digits.length - 1 - at]) * (at % 2 === 0 ? 1 : 2)
    sum += digit > 9 ? digit - 9 : digit
  }
  return sum % 10 === 0
}

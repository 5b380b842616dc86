import { isUtf8 } from 'node:buffer'
import type { Field } from './canonical.ts'
import type { JsonPath, JsonStep } from './json-path.ts'
import { showPlace } from './json-path.ts'
import { withoutNumbers } from './placeholder.ts'
import type { Redactor } from './redactor.ts'

/** A field of a protobuf message without its schema: it has a number, no name. */
interface WireField {
  number: number
  /** All of it, tag and all. */
  raw: Buffer
  /** The content of a length-delimited field: a text, bytes or a message. */
  content?: Buffer
}

const DEEPEST = 30

/**
 * A message without its secrets. Fields have numbers only, so a secret is told by its form, by a value that is known, or by a path of numbers
 * in the user's rules (`$.2.1`). Undefined when the bytes are no message, or hold a secret that cannot be taken out.
 */
export function redactProtobuf(bytes: Buffer, redactor: Redactor): Buffer | undefined {
  const redacted = redactMessage(bytes, redactor, [])
  return redacted !== undefined && redactor.isSecret(redacted) ? undefined : redacted
}

/** The fields of a message by their places; those that are ignored are left out. */
export function protobufFields(bytes: Buffer, ignored: readonly JsonPath[], place: readonly JsonStep[] = []): Field[] {
  const fields = readFields(bytes)
  if (fields === undefined) return [[showPlace(place), withoutNumbers(bytes.toString('latin1'))]]
  return fields
    .flatMap(({ number, raw, content }): Field[] => {
      const here = [...place, String(number)]
      if (ignored.some((path) => path(here))) return []
      if (content === undefined) return [[showPlace(here), raw.toString('hex')]]
      const isMessage = !isText(content) && here.length < DEEPEST && readFields(content) !== undefined
      return isMessage ? protobufFields(content, ignored, here) : [[showPlace(here), withoutNumbers(content.toString('latin1'))]]
    })
    .sort(([a], [b]) => (a === b ? 0 : a < b ? -1 : 1))
}

function redactMessage(bytes: Buffer, redactor: Redactor, place: readonly JsonStep[]): Buffer | undefined {
  const fields = readFields(bytes)
  if (fields === undefined) return undefined
  return Buffer.concat(
    fields.map(({ number, raw, content }) => {
      const here = [...place, String(number)]
      if (content === undefined) return redactor.isChosen(here) ? Buffer.alloc(0) : raw
      const seen = redactContent(content, redactor, here)
      return seen.equals(content) ? raw : Buffer.concat([varint(number * 8 + 2), varint(seen.length), seen])
    }),
  )
}

function redactContent(content: Buffer, redactor: Redactor, place: readonly JsonStep[]): Buffer {
  if (content.length === 0) return content
  if (redactor.isChosen(place)) return Buffer.from(redactor.hide(showPlace(place), content.toString('latin1')))
  const inner = place.length < DEEPEST ? redactMessage(content, redactor, place) : undefined
  if (inner !== undefined && !inner.equals(content)) return inner
  if (isText(content)) return Buffer.from(redactor.text(content.toString('utf8')))
  if (inner === undefined && redactor.isSecret(content))
    return Buffer.from(redactor.hide(showPlace(place), content.toString('latin1')))
  return content
}

function readFields(bytes: Buffer): WireField[] | undefined {
  const fields: WireField[] = []
  let at = 0
  while (at < bytes.length) {
    const tag = readVarint(bytes, at)
    if (tag === undefined || tag.value < 8 || tag.value > 0xffff_ffff) return undefined
    const number = Math.floor(tag.value / 8)
    const end = endOfValue(bytes, tag.end, tag.value % 8)
    if (end === undefined || end.end > bytes.length) return undefined
    const raw = bytes.subarray(at, end.end)
    fields.push({ number, raw, ...(end.start !== undefined && { content: bytes.subarray(end.start, end.end) }) })
    at = end.end
  }
  return fields
}

function endOfValue(bytes: Buffer, at: number, wireType: number): { end: number; start?: number } | undefined {
  if (wireType === 1) return { end: at + 8 }
  if (wireType === 5) return { end: at + 4 }
  const number = readVarint(bytes, at)
  if (number === undefined || (wireType !== 0 && wireType !== 2)) return undefined
  return wireType === 0 ? { end: number.end } : { start: number.end, end: number.end + number.value }
}

function readVarint(bytes: Buffer, at: number): { value: number; end: number } | undefined {
  let value = 0
  for (let length = 0; length < 10; length++) {
    const byte = bytes[at + length]
    if (byte === undefined) return undefined
    value += (byte & 0x7f) * 2 ** (7 * length)
    if (byte < 0x80) return { value, end: at + length + 1 }
  }
  return undefined
}

function varint(value: number): Buffer {
  const bytes: number[] = []
  let rest = value
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80)
  return Buffer.from([...bytes, rest])
}

function isText(bytes: Buffer): boolean {
  return isUtf8(bytes) && !bytes.some((byte) => byte < 0x20 && byte !== 0x09 && byte !== 0x0a && byte !== 0x0d)
}

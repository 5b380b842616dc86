import { isUtf8 } from 'node:buffer'
import { codingsOf, decodeContent } from './decode-content.ts'
import { isFormType, isMediaType, isPacked, readMediaType, type MediaType } from './media-type.ts'
import { partName, readMultipart, writeMultipart, type Part } from './multipart.ts'
import type { Redactor } from './redactor.ts'

/** A text or other body is looked at whole, in memory, up to this size without its codings. */
export const LARGEST_LOOKED_AT = 8 * 1024 * 1024

/** A body as a recording holds it: decoded, without secrets. */
export type KeptBody =
  | { kind: 'none' }
  | { kind: 'text'; text: string }
  | { kind: 'bytes'; bytes: Buffer }
  /** A file of its own that was written while the body passed; its name is the SHA-256 of its content. */
  | { kind: 'file'; name: string; size: number }
  /** Not written, because it cannot be known that it holds no secret. */
  | { kind: 'omitted'; why: string }

type LookedAt = Exclude<KeptBody, { kind: 'file' }>

export interface BodyHeaders {
  contentType: string | undefined
  contentEncoding: string | undefined
}

/** Decodes a body and takes its secrets out; what cannot be looked into is omitted, never kept on trust. */
export function keepBody(bytes: Buffer, { contentType, contentEncoding }: BodyHeaders, redactor: Redactor): LookedAt {
  if (bytes.length === 0) return { kind: 'none' }
  const plain = decodeContent(bytes, codingsOf(contentEncoding), LARGEST_LOOKED_AT)
  if ('why' in plain) return { kind: 'omitted', why: plain.why }
  return redactPlain(plain, readMediaType(contentType), redactor)
}

/** The bytes of a kept body. */
export function keptBytes(body: Exclude<KeptBody, { kind: 'file' | 'omitted' }>): Buffer {
  if (body.kind === 'none') return Buffer.alloc(0)
  return body.kind === 'text' ? Buffer.from(body.text, 'utf8') : body.bytes
}

/** Whether bytes are a text that is written as it is. */
export function isPlainText(bytes: Buffer): boolean {
  return isUtf8(bytes) && !bytes.includes(0)
}

function redactPlain(bytes: Buffer, type: MediaType, redactor: Redactor): LookedAt {
  if (bytes.length === 0) return { kind: 'none' }
  if (type.boundary !== undefined && type.essence.startsWith('multipart/')) {
    const parts = readMultipart(bytes, type.boundary)
    if (parts !== undefined) return redactParts(parts, redactor)
  }
  const utf16 = utf16Of(bytes, type)
  if (utf16 !== undefined) return { kind: 'bytes', bytes: redactUtf16(bytes, utf16, redactor) }
  if (isPlainText(bytes)) {
    const text = bytes.toString('utf8')
    return { kind: 'text', text: isFormType(type.essence) ? redactor.form(text) : redactor.text(text) }
  }
  if (isMediaType(type.essence)) return keepUnlessSecret(bytes, redactor)
  if (isPacked(type.essence, bytes))
    return { kind: 'omitted', why: 'it is an archive or a document, which cannot be looked into' }
  if (bytes.includes(0) || isUnreadable(bytes)) return keepStructured(bytes, redactor)
  // An older character set: what is ASCII in it can be looked at, and that is where names and forms of secrets are.
  return { kind: 'bytes', bytes: Buffer.from(redactor.text(bytes.toString('latin1')), 'latin1') }
}

function redactParts(parts: readonly Part[], redactor: Redactor): LookedAt {
  const kept: Part[] = []
  for (const part of parts) {
    const fields = redactor.headers(part.headers)
    const contentType = fields.find((field) => field.name.toLowerCase() === 'content-type')?.value
    const body = redactPart(part.body, partName(part), contentType, redactor)
    if (body.kind === 'omitted') return { kind: 'omitted', why: `a part of it is left out: ${body.why}` }
    kept.push({ headers: fields.flatMap((field) => [field.name, field.value]), body: keptBytes(body) })
  }
  const bytes = writeMultipart(kept)
  return isPlainText(bytes) ? { kind: 'text', text: bytes.toString('utf8') } : { kind: 'bytes', bytes }
}

function redactPart(bytes: Buffer, name: string, contentType: string | undefined, redactor: Redactor): LookedAt {
  if (!redactor.isSecretField(name) || bytes.length === 0) return redactPlain(bytes, readMediaType(contentType), redactor)
  return { kind: 'text', text: redactor.hide(`part ${name}`, bytes.toString('latin1')) }
}

function keepUnlessSecret(bytes: Buffer, redactor: Redactor): LookedAt {
  return redactor.isSecret(bytes)
    ? { kind: 'omitted', why: 'it is no text, and there is a secret in it' }
    : { kind: 'bytes', bytes }
}

/** Names of fields in MessagePack, CBOR, BSON and the like; their values cannot be told apart from the rest. */
const STRONG_NAME = /passw(?:or)?d|passphrase|secret|api_?key|access_?token|refresh_?token|id_?token|private_?key|authorization/i

function keepStructured(bytes: Buffer, redactor: Redactor): LookedAt {
  const unpacked = bytes[0] === 0x1f && bytes[1] === 0x8b ? decodeContent(bytes, ['gzip'], LARGEST_LOOKED_AT) : bytes
  if ('why' in unpacked) return { kind: 'omitted', why: 'it is gzip that cannot be undone' }
  if (unpacked !== bytes) {
    const inner = redactPlain(unpacked, readMediaType(undefined), redactor)
    const isClean = inner.kind !== 'omitted' && keptBytes(inner).equals(unpacked)
    return isClean ? { kind: 'bytes', bytes } : { kind: 'omitted', why: 'it is packed, and there is a secret in it' }
  }
  if (STRONG_NAME.test(bytes.toString('latin1'))) return { kind: 'omitted', why: 'it is no text, and names a secret' }
  return keepUnlessSecret(bytes, redactor)
}

function isUnreadable(bytes: Buffer): boolean {
  const sample = bytes.subarray(0, 4096)
  const controls = sample.filter((byte) => byte < 0x20 && byte !== 0x09 && byte !== 0x0a && byte !== 0x0d).length
  return controls * 20 > sample.length
}

function utf16Of(bytes: Buffer, { charset }: MediaType): 'le' | 'be' | undefined {
  if (bytes.length % 2 !== 0) return undefined
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return 'le'
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return 'be'
  if (charset === 'utf-16le' || charset === 'ucs-2') return 'le'
  return charset?.startsWith('utf-16') === true ? 'be' : undefined
}

function redactUtf16(bytes: Buffer, order: 'le' | 'be', redactor: Redactor): Buffer {
  const little = order === 'le' ? bytes : Buffer.from(bytes).swap16()
  const text = little.toString('utf16le')
  const mark = text.startsWith('\uFEFF') ? '\uFEFF' : ''
  const redacted = Buffer.from(mark + redactor.text(text.slice(mark.length)), 'utf16le')
  return order === 'le' ? redacted : redacted.swap16()
}

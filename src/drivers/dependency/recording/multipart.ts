import type { RawHeaders } from '../exchange.ts'

/** The boundary that every recorded body has, so that two recordings of one upload are equal. */
export const FIXED_BOUNDARY = 'shiv-recorded-part'

export interface Part {
  headers: RawHeaders
  body: Buffer
}

/** The parts of a multipart body; undefined when it does not have that form. What stands before the first and after the last is dropped. */
export function readMultipart(bytes: Buffer, boundary: string): Part[] | undefined {
  const line = Buffer.from(`--${boundary}`, 'latin1')
  const parts: Part[] = []
  let at = bytes.indexOf(line)
  if (at < 0 || (at > 0 && bytes[at - 1] !== 0x0a)) return undefined
  for (;;) {
    at += line.length
    if (bytes.subarray(at, at + 2).toString('latin1') === '--') return parts
    const start = bytes.indexOf('\r\n', at)
    if (start < 0) return undefined
    const next = bytes.indexOf(Buffer.concat([Buffer.from('\r\n'), line]), start)
    if (next < 0) return undefined
    const part = readPart(bytes.subarray(start + 2, Math.max(next, start + 2)))
    if (part === undefined) return undefined
    parts.push(part)
    at = next + 2
  }
}

/** The inverse, under the fixed boundary. */
export function writeMultipart(parts: readonly Part[]): Buffer {
  const pieces = parts.flatMap(({ headers, body }) => {
    const lines: string[] = []
    for (let at = 0; at + 1 < headers.length; at += 2) lines.push(`${headers[at]}: ${headers[at + 1]}\r\n`)
    return [Buffer.from(`--${FIXED_BOUNDARY}\r\n${lines.join('')}\r\n`, 'latin1'), body, Buffer.from('\r\n')]
  })
  return Buffer.concat([...pieces, Buffer.from(`--${FIXED_BOUNDARY}--\r\n`)])
}

/** A `Content-Type` with the fixed boundary in place of its own. */
export function withFixedBoundary(contentType: string): string {
  return contentType.replace(/(;\s*boundary\s*=\s*)(?:"[^"]*"|[^;\s]+)/i, `$1${FIXED_BOUNDARY}`)
}

function readPart(bytes: Buffer): Part | undefined {
  const empty = bytes.subarray(0, 2).toString('latin1') === '\r\n'
  const end = empty ? 0 : bytes.indexOf('\r\n\r\n')
  if (end < 0) return undefined
  const headers: string[] = []
  for (const line of empty ? [] : bytes.subarray(0, end).toString('latin1').split('\r\n')) {
    const colon = line.indexOf(':')
    if (colon < 1) return undefined
    headers.push(line.slice(0, colon), line.slice(colon + 1).trim())
  }
  return { headers, body: bytes.subarray(empty ? 2 : end + 4) }
}

/** The `name` of a part of a form. */
export function partName(part: Part): string {
  const at = part.headers.findIndex((name, index) => index % 2 === 0 && name.toLowerCase() === 'content-disposition')
  const [, quoted, plain] = /;\s*name\s*=\s*(?:"([^"]*)"|([^;\s]+))/i.exec(part.headers[at + 1] ?? '') ?? []
  return Buffer.from(quoted ?? plain ?? '', 'latin1').toString('utf8')
}

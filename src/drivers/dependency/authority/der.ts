/** What certificates are made of, in DER (X.690): each function returns one whole element. */

const CONSTRUCTED = 0x20
const CONTEXT = 0x80

export function sequence(...elements: Buffer[]): Buffer {
  return element(0x10 | CONSTRUCTED, Buffer.concat(elements))
}

export function setOf(only: Buffer): Buffer {
  return element(0x11 | CONSTRUCTED, only)
}

/** A positive number of any size, in big-endian bytes. */
export function integer(bytes: Buffer): Buffer {
  let start = 0
  while (start < bytes.length - 1 && bytes[start] === 0) start += 1
  const shortest = bytes.subarray(start)
  // A leading one would make it negative.
  return element(0x02, shortest[0]! & 0x80 ? Buffer.concat([Buffer.of(0), shortest]) : shortest)
}

export function boolean(value: boolean): Buffer {
  return element(0x01, Buffer.of(value ? 0xff : 0))
}

/** `1.2.840.10045.4.3.2`. */
export function objectId(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number)
  return element(0x06, Buffer.from([first * 40 + second, ...rest].flatMap(base128)))
}

export function octets(bytes: Buffer): Buffer {
  return element(0x04, bytes)
}

/** `unused`: how many bits at the end do not count. */
export function bits(bytes: Buffer, unused = 0): Buffer {
  return element(0x03, Buffer.concat([Buffer.of(unused), bytes]))
}

export function utf8(text: string): Buffer {
  return element(0x0c, Buffer.from(text, 'utf8'))
}

/** To the second, in the form that RFC 5280, 4.1.2.5 wants of the year. */
export function time(at: Date): Buffer {
  const digits = at.toISOString().replace(/\.\d+/, '').replaceAll(/[-:T]/g, '')
  return at.getUTCFullYear() < 2050 ? element(0x17, Buffer.from(digits.slice(2))) : element(0x18, Buffer.from(digits))
}

/** `[number]` around an element: explicit tagging. */
export function wrapped(number: number, inner: Buffer): Buffer {
  return element(CONTEXT | CONSTRUCTED | number, inner)
}

/** `[number]` in place of a primitive element's own tag: implicit tagging. */
export function tagged(number: number, contents: Buffer): Buffer {
  return element(CONTEXT | number, contents)
}

function element(tag: number, contents: Buffer): Buffer {
  return Buffer.concat([Buffer.of(tag), lengthOf(contents.length), contents])
}

function lengthOf(length: number): Buffer {
  if (length < 0x80) return Buffer.of(length)
  const bytes: number[] = []
  for (let left = length; left > 0; left = Math.floor(left / 256)) bytes.unshift(left % 256)
  return Buffer.of(0x80 | bytes.length, ...bytes)
}

function base128(value: number): number[] {
  const bytes = [value % 128]
  for (let left = Math.floor(value / 128); left > 0; left = Math.floor(left / 128)) bytes.unshift(0x80 | (left % 128))
  return bytes
}

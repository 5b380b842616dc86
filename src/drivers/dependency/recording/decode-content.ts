import {
  brotliDecompressSync,
  brotliCompressSync,
  deflateSync,
  gunzipSync,
  gzipSync,
  inflateRawSync,
  inflateSync,
} from 'node:zlib'

/** Codings that can be undone here, by the names of `Content-Encoding`. */
const DECODERS: Record<string, (bytes: Buffer, maxOutputLength: number) => Buffer> = {
  gzip: (bytes, maxOutputLength) => gunzipSync(bytes, { maxOutputLength }),
  'x-gzip': (bytes, maxOutputLength) => gunzipSync(bytes, { maxOutputLength }),
  br: (bytes, maxOutputLength) => brotliDecompressSync(bytes, { maxOutputLength }),
  // Some servers send the raw form under this name.
  deflate: (bytes, maxOutputLength) =>
    ((bytes[0] ?? 0) & 0x0f) === 8 ? inflateSync(bytes, { maxOutputLength }) : inflateRawSync(bytes, { maxOutputLength }),
  identity: (bytes) => bytes,
}
const ENCODERS: Record<string, (bytes: Buffer) => Buffer> = {
  gzip: (bytes) => gzipSync(bytes),
  'x-gzip': (bytes) => gzipSync(bytes),
  br: (bytes) => brotliCompressSync(bytes),
  deflate: (bytes) => deflateSync(bytes),
  identity: (bytes) => bytes,
}

/** The codings of a `Content-Encoding` in the order that they were applied. */
export function codingsOf(contentEncoding: string | undefined): string[] {
  return (contentEncoding ?? '')
    .split(',')
    .map((coding) => coding.trim().toLowerCase())
    .filter((coding) => coding !== '')
}

/** A body without its codings; or why it cannot be had: an unknown coding, damaged data, or more than `limit` bytes. */
export function decodeContent(bytes: Buffer, codings: readonly string[], limit: number): Buffer | { why: string } {
  let plain = bytes
  for (const coding of codings.toReversed()) {
    const decode = DECODERS[coding]
    if (decode === undefined) return { why: `its coding ${JSON.stringify(coding.slice(0, 30))} cannot be undone here` }
    if (plain.length === 0) return plain
    try {
      plain = decode(plain, limit)
    } catch (error) {
      const isTooLarge = (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE'
      return { why: isTooLarge ? `it is larger than ${limit} bytes without its coding` : `it is not ${coding} though it says so` }
    }
  }
  return plain
}

/** A body with codings applied again; undefined when one of them cannot be. */
export function encodeContent(bytes: Buffer, codings: readonly string[]): Buffer | undefined {
  let coded = bytes
  for (const coding of codings) {
    const encode = ENCODERS[coding]
    if (encode === undefined) return undefined
    coded = encode(coded)
  }
  return coded
}

/** Whether a client that sent this `Accept-Encoding` takes all of the codings. */
export function accepts(acceptEncoding: string | undefined, codings: readonly string[]): boolean {
  const offers = new Map(
    (acceptEncoding ?? '').split(',').map((offer): [string, boolean] => {
      const [name = '', ...parameters] = offer.split(';').map((part) => part.trim().toLowerCase())
      return [name, !parameters.some((parameter) => /^q=0(\.0*)?$/.test(parameter))]
    }),
  )
  return codings.every((coding) => coding === 'identity' || (offers.get(coding) ?? offers.get('*') ?? false))
}

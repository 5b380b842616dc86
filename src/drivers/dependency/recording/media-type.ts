/** A `Content-Type` taken apart: `{ essence: 'text/html', charset: 'utf-8' }`. */
export interface MediaType {
  /** Lower case; empty when there is none. */
  essence: string
  charset?: string
  boundary?: string
}

export function readMediaType(contentType: string | undefined): MediaType {
  const [essence = '', ...parameters] = (contentType ?? '').split(';')
  const parameter = (name: string): string | undefined => {
    for (const text of parameters) {
      const [, key = '', quoted, plain] = /^\s*([\w-]+)\s*=\s*(?:"([^"]*)"|([^\s"]*))\s*$/.exec(text) ?? []
      if (key.toLowerCase() === name) return quoted ?? plain
    }
    return undefined
  }
  const charset = parameter('charset')?.toLowerCase()
  const boundary = parameter('boundary')
  return {
    essence: essence.trim().toLowerCase(),
    ...(charset !== undefined && { charset }),
    ...(boundary !== undefined && boundary !== '' && { boundary }),
  }
}

export function isJsonType(essence: string): boolean {
  return /^(?:application|text)\/(?:[\w.+-]+\+)?json$/.test(essence)
}

export function isFormType(essence: string): boolean {
  return essence === 'application/x-www-form-urlencoded'
}

/** Whether what has this type is known not to be text, nor to hold packed text: pictures, sound, film, fonts. */
export function isMediaType(essence: string): boolean {
  return (
    /^(?:image|audio|video|font)\/(?!svg)/.test(essence) ||
    essence === 'application/wasm' ||
    essence.startsWith('application/font-')
  )
}

/** Archives and documents: packed text in which secrets cannot be seen. */
const PACKED_TYPE =
  /^application\/(?:zip|pdf|x-7z-compressed|x-rar-compressed|vnd\.rar|x-bzip2?|x-xz|zstd|x-compress|java-archive|epub\+zip|msword|vnd\.(?:ms-|openxmlformats-|oasis\.opendocument).*)$/
const PACKED_STARTS = [
  '504b0304',
  '25504446',
  '377abcaf271c',
  '526172211a07',
  '425a68',
  'fd377a585a00',
  '28b52ffd',
  'd0cf11e0a1b11ae1',
]

export function isPacked(essence: string, bytes: Buffer): boolean {
  const start = bytes.subarray(0, 8).toString('hex')
  return PACKED_TYPE.test(essence) || PACKED_STARTS.some((magic) => start.startsWith(magic))
}

const block = 512

/** The header of a plain file in a tar stream (ustar), with fixed owner, mode and time so that equal content makes equal bytes. */
export function tarHeader(name: string, sizeBytes: number): Buffer {
  const header = Buffer.alloc(block)
  if (Buffer.byteLength(name) > 100) throw new Error(`the name is too long for a tar header: ${name}`)
  header.write(name, 0)
  header.write('0000644\0', 100)
  header.write('0000000\0', 108)
  header.write('0000000\0', 116)
  // Sizes from 8 GiB on need the binary form.
  if (sizeBytes < 0o77777777777) header.write(`${sizeBytes.toString(8).padStart(11, '0')}\0`, 124)
  else {
    header.writeUInt8(0x80, 124)
    header.writeBigUInt64BE(BigInt(sizeBytes), 128)
  }
  header.write('00000000000\0', 136)
  header.write('        ', 148)
  header.write('0', 156)
  header.write('ustar\x0000', 257)
  let sum = 0
  for (const byte of header) sum += byte
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return header
}

/** The zeros after a file's bytes. */
export function tarPadding(sizeBytes: number): Buffer {
  return Buffer.alloc((block - (sizeBytes % block)) % block)
}

/** A whole small file: header, bytes, padding. */
export function tarFile(name: string, content: Buffer | string): Buffer {
  const bytes = typeof content === 'string' ? Buffer.from(content) : content
  return Buffer.concat([tarHeader(name, bytes.length), bytes, tarPadding(bytes.length)])
}

/** Ends a tar stream. */
export const tarEnd = Buffer.alloc(2 * block)

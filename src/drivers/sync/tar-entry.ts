const BLOCK = 512
const ZEROS = Buffer.alloc(BLOCK)

export interface TarEntry {
  /** `/` between its parts, without one at the beginning. */
  name: string
  mode: number
  /** Epoch seconds. */
  mtime: number
  sizeBytes: number
  /** Where a symbolic link leads. */
  link?: string
}

/** The header of a file or link; a name or link that is too long for it gets a GNU long-name entry in front, the only kind that busybox reads. */
export function tarHeader(entry: TarEntry): Buffer {
  const name = Buffer.from(entry.name)
  const link = Buffer.from(entry.link ?? '')
  return Buffer.concat([
    ...(name.length > 100 ? longText('L', name) : []),
    ...(link.length > 100 ? longText('K', link) : []),
    header(entry.link === undefined ? '0' : '2', name, link, entry),
  ])
}

/** The zeros after a file's bytes. */
export function tarPadding(sizeBytes: number): Buffer {
  return ZEROS.subarray(0, (BLOCK - (sizeBytes % BLOCK)) % BLOCK)
}

/** Ends a tar stream. */
export const TAR_END = Buffer.alloc(2 * BLOCK)

function longText(type: 'L' | 'K', text: Buffer): Buffer[] {
  const sizeBytes = text.length + 1
  const about = { mode: 0, mtime: 0, sizeBytes }
  return [header(type, Buffer.from('././@LongLink'), Buffer.alloc(0), about), text, Buffer.alloc(1), tarPadding(sizeBytes)]
}

function header(type: string, name: Buffer, link: Buffer, { mode, mtime, sizeBytes }: Omit<TarEntry, 'name' | 'link'>): Buffer {
  // Of Node's pool, which `alloc` is not: there are thousands of them at once.
  const block = Buffer.allocUnsafe(BLOCK).fill(0)
  name.copy(block, 0, 0, 100)
  block.write(octal(mode & 0o7777, 7), 100)
  block.write(octal(0, 7), 108)
  block.write(octal(0, 7), 116)
  // Sizes from 8 GiB on need the binary form.
  if (sizeBytes < 0o77777777777) block.write(octal(sizeBytes, 11), 124)
  else {
    block.writeUInt8(0x80, 124)
    block.writeBigUInt64BE(BigInt(sizeBytes), 128)
  }
  block.write(octal(Math.max(0, mtime), 11), 136)
  block.write('        ', 148)
  block.write(type, 156)
  link.copy(block, 157, 0, 100)
  block.write('ustar  \0', 257)
  let sum = 0
  for (const byte of block) sum += byte
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return block
}

function octal(value: number, digits: number): string {
  return `${value.toString(8).padStart(digits, '0')}\0`
}

import { createHash } from 'node:crypto'
import { closeSync, readSync } from 'node:fs'
import { basename, dirname } from 'node:path/posix'
import { openPlain, openPlainSync } from '../../core/plain-file.ts'
import { type SendableFile, causeOf } from './source.ts'
import { TAR_END, tarHeader, tarPadding } from './tar-entry.ts'

/** At most so many files are renamed by one command, which bounds the length of its command line. */
const GROUP_FILES = 400
const CHUNK_BYTES = 64 * 1024
/** What is larger than this is worth a stream. */
const LONE_BYTES = 256 * 1024

/** One order's difference as a tar of exactly `sizeBytes` bytes: see PLACE in `src/plan/reload-helper/place.ts`. */
export interface Frame {
  readonly sizeBytes: number
  readonly files: readonly SendableFile[]
  /** Of what was really sent, by path; complete when `chunks` ended. A file that shrank meanwhile is not in it, and the replica refuses the frame. */
  readonly sent: Map<string, string>
  /** Files that could not be read when their turn came, with the cause. The replica refuses the frame. */
  readonly unread: Map<string, string>
  chunks(): AsyncGenerator<Buffer>
  /** The file when there is one only and it is small and plain: it may be sent without a tar around it. */
  readonly lone: SendableFile | undefined
}

interface Group {
  kind: '*' | '.' | ','
  folder: string
  files: SendableFile[]
}

/** Frames files and deletions. Contents are read when the chunks are, a chunk at a time. */
export function frameOf(files: readonly SendableFile[]): Frame {
  const groups = groupsOf(files.filter(({ file }) => file.source !== undefined))
  const deletes = files.filter(({ file }) => file.source === undefined).map(({ path }) => `${path}\0`)
  const lists = [
    listEntry('t', groups.map(({ kind, folder }) => `${kind}${folder}\0`).join('')),
    listEntry('x', deletes.join('')),
  ]
  const headers = new Map<SendableFile, Buffer>()
  groups.forEach(({ files }, index) => {
    for (const file of files) headers.set(file, headerOf(file, index))
  })
  const sizes = [...headers].map(([{ sizeBytes }, header]) => header.length + sizeBytes + tarPadding(sizeBytes).length)
  const sent = new Map<string, string>()
  const unread = new Map<string, string>()
  return {
    files,
    sent,
    unread,
    lone: files.length === 1 ? files.find(isPlain) : undefined,
    sizeBytes: [...lists.map(({ length }) => length), ...sizes, TAR_END.length].reduce((sum, size) => sum + size, 0),
    async *chunks() {
      yield* gathered(async function* parts() {
        yield* lists
        let isWhole = true
        for (const [file, header] of headers) {
          // A header of ones is none: the replica's tar gives up, and nothing of the frame is put in its place.
          yield isWhole ? header : Buffer.alloc(header.length, 0xff)
          if (file.link === undefined) isWhole = (yield* contentOf(file, { sent, unread })) && isWhole
          yield tarPadding(file.sizeBytes)
        }
        yield isWhole ? TAR_END : Buffer.alloc(TAR_END.length, 0xff)
      })
    },
  }
}

/** Not a program (its mode would need a command more), not Python (which goes by the time of a file that it has compiled). */
function isPlain({ path, file, sizeBytes, link }: SendableFile): boolean {
  const isFile = file.source !== undefined && link === undefined
  return isFile && sizeBytes <= LONE_BYTES && (file.mode & ~0o666) === 0 && !path.endsWith('.py')
}

/** Yields exactly `sizeBytes` bytes; returns whether the file had them. */
async function* contentOf(
  { path, file, sizeBytes }: SendableFile,
  { sent, unread }: Pick<Frame, 'sent' | 'unread'>,
): AsyncGenerator<Buffer, boolean> {
  const whole = sizeBytes <= CHUNK_BYTES ? readWhole(file.source as string, sizeBytes) : undefined
  if (whole !== undefined) {
    sent.set(path, createHash('sha256').update(whole).digest('hex'))
    yield whole
    return true
  }
  const hash = createHash('sha256')
  let left = sizeBytes
  const handle = await openPlain(file.source as string).catch((error: unknown) => void unread.set(path, causeOf(error)))
  try {
    while (left > 0 && handle !== undefined) {
      const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(Math.min(CHUNK_BYTES, left)))
      if (bytesRead === 0) break
      const part = buffer.subarray(0, bytesRead)
      hash.update(part)
      left -= bytesRead
      yield part
    }
  } finally {
    await handle?.close()
  }
  if (handle !== undefined && left === 0) {
    sent.set(path, hash.digest('hex'))
    return true
  }
  while (left > 0) {
    const size = Math.min(CHUNK_BYTES, left)
    left -= size
    yield Buffer.alloc(size, 0xff)
  }
  return false
}

/** A small file at once: a wait for the thread pool at each step would cost more than its bytes. Undefined when it has fewer bytes, or cannot be read. */
function readWhole(path: string, sizeBytes: number): Buffer | undefined {
  let descriptor: number | undefined
  try {
    descriptor = openPlainSync(path)
    const bytes = Buffer.allocUnsafe(sizeBytes)
    return readSync(descriptor, bytes, 0, sizeBytes, 0) === sizeBytes ? bytes : undefined
  } catch {
    return undefined // told by who reads it piece by piece
  } finally {
    if (descriptor !== undefined) closeSync(descriptor)
  }
}

/** Small parts travel together. */
async function* gathered(parts: () => AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  let waiting: Buffer[] = []
  let size = 0
  for await (const part of parts()) {
    waiting.push(part)
    size += part.length
    if (size < CHUNK_BYTES) continue
    yield Buffer.concat(waiting)
    waiting = []
    size = 0
  }
  if (size > 0) yield Buffer.concat(waiting)
}

function groupsOf(files: SendableFile[]): Group[] {
  const groups: Group[] = []
  const open = new Map<string, Group>()
  for (const file of files) {
    const folder = dirname(file.path)
    const kind = basename(file.path).startsWith('..') ? ',' : basename(file.path).startsWith('.') ? '.' : '*'
    let group = open.get(kind + folder)
    if (group === undefined || group.files.length >= GROUP_FILES) {
      group = { kind, folder, files: [] }
      open.set(kind + folder, group)
      groups.push(group)
    }
    group.files.push(file)
  }
  return groups
}

function headerOf({ path, file, sizeBytes, mtime, link }: SendableFile, group: number): Buffer {
  const name = `${group}/${basename(path)}`
  return tarHeader({ name, mode: file.mode, mtime, sizeBytes, ...(link !== undefined && { link }) })
}

function listEntry(name: string, text: string): Buffer {
  const bytes = Buffer.from(text)
  return Buffer.concat([tarHeader({ name, mode: 0o644, mtime: 0, sizeBytes: bytes.length }), bytes, tarPadding(bytes.length)])
}

import { createHash, randomUUID, type Hash } from 'node:crypto'
import { mkdir, open, rename, rm, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { codingsOf } from './decode-content.ts'
import { LARGEST_LOOKED_AT, type BodyHeaders } from './keep-body.ts'
import { isMediaType, readMediaType } from './media-type.ts'

/** A body that has passed, not yet redacted unless it went to a file. */
export type GatheredBody =
  | { kind: 'bytes'; bytes: Buffer }
  | { kind: 'file'; name: string; size: number }
  | { kind: 'omitted'; why: string; size: number }

/** Larger bodies are files beside the recording. */
export const LARGEST_INLINE = 1024 * 1024
/** Larger files are not recorded. */
const LARGEST_FILE = 1024 * 1024 * 1024
/** No secret is longer; that much stays in memory until what follows it was seen. */
const OVERLAP = 16 * 1024
const WINDOW = 256 * 1024

export interface GatherOptions {
  /** Asked when there is a body. */
  headers(): BodyHeaders
  /** Where bodies that are known not to be text go; absent: only their hash is taken. */
  folder?: string
  isSecret(bytes: Buffer): boolean
}

/** Takes in a body of any size in bounded memory. */
export class GatherBody {
  readonly #options: GatherOptions
  #isMedia: boolean | undefined
  #chunks: Buffer[] = []
  #size = 0
  #file: BodyFile | undefined
  #omitted: string | undefined

  constructor(options: GatherOptions) {
    this.#options = options
  }

  /** The promise, where there is one, is that of the disk. */
  add(chunk: Buffer): void | Promise<void> {
    this.#size += chunk.length
    if (this.#omitted !== undefined) return
    if (this.#file !== undefined) return this.#toFile(this.#file, chunk)
    this.#chunks.push(chunk)
    if (this.#size > LARGEST_INLINE && (this.#isMedia ??= isMedia(this.#options.headers()))) {
      this.#file = new BodyFile(this.#options)
      const chunks = Buffer.concat(this.#chunks)
      this.#chunks = []
      return this.#toFile(this.#file, chunks)
    }
    if (this.#size > LARGEST_LOOKED_AT) this.#omit(`it is larger than ${LARGEST_LOOKED_AT} bytes, too large to be looked at`)
  }

  async finish(): Promise<GatheredBody> {
    if (this.#file !== undefined && this.#omitted === undefined) {
      const name = await this.#file.finish()
      if (name !== undefined) return { kind: 'file', name, size: this.#size }
      this.#omit(SECRET_WITHIN)
    }
    if (this.#omitted !== undefined) return { kind: 'omitted', why: this.#omitted, size: this.#size }
    const [only, ...others] = this.#chunks
    return { kind: 'bytes', bytes: only !== undefined && others.length === 0 ? only : Buffer.concat(this.#chunks) }
  }

  /** Leaves nothing behind. */
  async discard(): Promise<void> {
    this.#omit('the exchange was broken off')
    await this.#file?.discard()
  }

  async #toFile(file: BodyFile, chunk: Buffer): Promise<void> {
    const isClean = await file.add(chunk)
    if (isClean && this.#size <= LARGEST_FILE) return
    this.#omit(isClean ? `it is larger than ${LARGEST_FILE} bytes` : SECRET_WITHIN)
    await file.discard()
  }

  #omit(why: string): void {
    this.#omitted ??= why
    this.#chunks = []
  }
}

function isMedia({ contentType, contentEncoding }: BodyHeaders): boolean {
  return isMediaType(readMediaType(contentType).essence) && codingsOf(contentEncoding).length === 0
}

const SECRET_WITHIN = 'it is no text, and there is a secret in it'

/** A file that grows while its content passes; nothing is written before it was looked at. */
class BodyFile {
  readonly #options: GatherOptions
  readonly #hash: Hash = createHash('sha256')
  readonly #path: string | undefined
  #opened: Promise<FileHandle> | undefined
  #pending = Buffer.alloc(0)
  #turn: Promise<boolean> = Promise.resolve(true)

  constructor(options: GatherOptions) {
    this.#options = options
    this.#path = options.folder === undefined ? undefined : join(options.folder, `${randomUUID()}.part`)
  }

  /** False once a secret was seen. */
  add(chunk: Buffer): Promise<boolean> {
    this.#turn = this.#turn.then(async (isClean) => {
      if (!isClean) return false
      this.#pending = Buffer.concat([this.#pending, chunk])
      return this.#pending.length < WINDOW + OVERLAP || this.#write(this.#pending.length - OVERLAP)
    })
    return this.#turn
  }

  /** The name of the file; undefined when a secret was seen in the end. */
  async finish(): Promise<string | undefined> {
    if (!(await this.#turn) || !(await this.#write(this.#pending.length))) {
      await this.discard()
      return undefined
    }
    const name = this.#hash.digest('hex')
    const file = await this.#opened
    await file?.sync()
    await file?.close()
    if (this.#path !== undefined && this.#options.folder !== undefined) await rename(this.#path, join(this.#options.folder, name))
    return name
  }

  async discard(): Promise<void> {
    const opened = this.#opened
    this.#opened = undefined
    this.#turn = this.#turn.then(() => false)
    if (opened === undefined) return
    await (await opened).close()
    if (this.#path !== undefined) await rm(this.#path, { force: true })
  }

  async #write(length: number): Promise<boolean> {
    if (this.#options.isSecret(this.#pending)) return false
    const ready = this.#pending.subarray(0, length)
    this.#hash.update(ready)
    this.#pending = this.#pending.subarray(length)
    if (this.#path === undefined) return true
    this.#opened ??= create(this.#path, this.#options.folder ?? '')
    await (await this.#opened).appendFile(ready)
    return true
  }
}

async function create(path: string, folder: string): Promise<FileHandle> {
  await mkdir(folder, { recursive: true })
  return open(path, 'wx', 0o600)
}

import { mkdir, readFile, stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { writeFileAtomic } from '../../../core/atomic-file.ts'
import { ShivError, diskFull } from '../../../core/errors.ts'
import { acquireLock } from '../../../core/lock-file.ts'
import { sweepBodies, writeBody } from './bodies-folder.ts'
import { unreadable } from './faults.ts'
import { afterSession, type Form } from './form.ts'
import { Journal, readJournal, removeJournal } from './journal.ts'

/** A recording that is open in this process; whoever opens the same file gets the same one. */
export class Store<Item> {
  readonly file: string
  readonly #form: Form<Item>
  #users = 0
  #writers = 0
  /** What the file holds, and the stamp of the file that was read. */
  #base: Item[] = []
  #stamp = ''
  /** What was recorded since; of a process that was killed before it closed, until somebody writes again. */
  #session: Item[] = []
  /** The last answer to each request of the session. */
  readonly #lastAnswers = new Map<string, string>()
  #items: readonly Item[] | undefined
  #countsRepeats = false
  #writing: { journal: Journal; release(): void } | undefined
  /** What the next write takes along. */
  #waiting: { items: Item[]; files: Map<string, Buffer>; written: Promise<void> } | undefined
  #turn: Promise<void> = Promise.resolve()
  #failed: unknown

  constructor(file: string, form: Form<Item>) {
    this.file = file
    this.#form = form
  }

  /**
   * Opens for reading, and for writing where `write` says so: `ordered` counts equal answers in a row. Throws RECORDING_MISSING (reading only),
   * RECORDING_UNREADABLE, RECORDING_INVALID, RECORDING_BUSY, DISK_FULL.
   */
  open(write: false | 'any' | 'ordered'): Promise<void> {
    return this.#inTurn(async () => {
      try {
        if (write === false) {
          if (this.#writing === undefined) await this.#load(false)
          return
        }
        this.#writing ??= await this.#beginWriting()
        this.#writers += 1
        this.#countsRepeats ||= write === 'ordered'
      } catch (error) {
        this.#leave()
        throw error
      }
    })
  }

  /** Says that an `open` follows, and later a `close`: a store that is being closed is not given away. */
  enter(): this {
    this.#users += 1
    return this
  }

  /** Everything that is recorded, in order; the same list as long as nothing changed. A file that was edited meanwhile is read again. */
  async items(): Promise<readonly Item[]> {
    if (this.#writing === undefined && (await stampOf(this.file)) !== this.#stamp) await this.#inTurn(() => this.#load(false))
    this.#items ??= afterSession(this.#base, this.#session, this.#form, this.#countsRepeats)
    return this.#items
  }

  /**
   * Keeps an exchange: it is in the journal when the promise resolves, its bodies before it. What comes while the journal is being written
   * goes into the next write together.
   */
  add(item: Item, files: ReadonlyMap<string, Buffer>): Promise<void> {
    if (this.#failed !== undefined || this.#writing === undefined || this.isKnown(item))
      return this.#waiting?.written ?? Promise.resolve()
    this.#session.push(item)
    this.#lastAnswers.set(this.#form.keyOf(item), this.#form.answerOf(item))
    this.#items = undefined
    if (this.#waiting === undefined) {
      const waiting = { items: [] as Item[], files: new Map<string, Buffer>() }
      this.#waiting = { ...waiting, written: this.#inTurn(() => this.#write(waiting.items, waiting.files)) }
    }
    this.#waiting.items.push(item)
    for (const [name, bytes] of files) this.#waiting.files.set(name, bytes)
    return this.#waiting.written
  }

  async #write(items: readonly Item[], files: ReadonlyMap<string, Buffer>): Promise<void> {
    this.#waiting = undefined
    if (this.#failed !== undefined || this.#writing === undefined) return
    try {
      for (const [name, bytes] of files) await writeBody(this.file, name, bytes)
      await this.#writing.journal.append(items)
    } catch (error) {
      this.#failed = writeFailure(this.file, error)
      throw this.#failed
    }
  }

  /** The last one that wrote folds the journal into the file. Throws what writing met; the journal then stays. */
  close(wrote: boolean): Promise<void> {
    return this.#inTurn(async () => {
      try {
        if (wrote && (this.#writers -= 1) === 0 && this.#writing !== undefined) await this.#endWriting(this.#writing)
      } finally {
        this.#leave()
      }
    })
  }

  #leave(): void {
    this.#users -= 1
    if (this.#users === 0) openStores.delete(this.file)
  }

  async #endWriting({ journal, release }: { journal: Journal; release(): void }): Promise<void> {
    this.#writing = undefined
    try {
      await journal.close()
      await this.#fold(() => journal.remove())
    } finally {
      release()
    }
    if (this.#failed !== undefined) throw this.#failed
  }

  /** Writes what there is; `done` is called when it is in the file. */
  async #fold(done: () => Promise<void>): Promise<void> {
    if ((await stampOf(this.file)) !== this.#stamp) this.#base = await this.#read()
    const items = afterSession(this.#base, this.#session, this.#form, this.#countsRepeats)
    try {
      const text = this.#form.render(items)
      const isWanted = items.length > 0 || this.#stamp !== ''
      if (isWanted && text !== (await currentText(this.file))) await writeFileAtomic(this.file, text, { mode: 0o644 })
      await done()
      await sweepBodies(this.file, new Set(items.flatMap((item) => this.#form.files(item))))
    } catch (error) {
      throw writeFailure(this.file, error)
    }
    this.#stamp = await stampOf(this.file)
    this.#base = items
    this.#session = []
    this.#lastAnswers.clear()
    this.#items = items
  }

  async #beginWriting(): Promise<{ journal: Journal; release(): void }> {
    try {
      await mkdir(dirname(this.file), { recursive: true })
      const lock = acquireLock(`${this.file}.lock`)
      if (!lock.held) throw busy(this.file, lock.holder.pid)
      try {
        // What another process left is read only now that nobody else can write.
        await this.#load(true)
        if (this.#session.length > 0) await this.#fold(() => removeJournal(this.file))
        return { journal: await Journal.open(this.file), release: () => lock.release() }
      } catch (error) {
        lock.release()
        throw error
      }
    } catch (error) {
      throw error instanceof ShivError ? error : writeFailure(this.file, error)
    }
  }

  /** Whether the answer is that of the last equal request and need not be written again. */
  isKnown(item: Item): boolean {
    return !this.#countsRepeats && this.#lastAnswers.get(this.#form.keyOf(item)) === this.#form.answerOf(item)
  }

  async #load(mayBeMissing: boolean): Promise<void> {
    const session = await readJournal<Item>(this.file)
    const stamp = await stampOf(this.file)
    this.#base = stamp === '' && (mayBeMissing || session.length > 0) ? [] : await this.#read()
    this.#stamp = stamp
    this.#session = session
    this.#items = undefined
  }

  async #read(): Promise<Item[]> {
    let text: string
    try {
      text = await readFile(this.file, 'utf8')
    } catch (error) {
      throw unreadable(this.file, error)
    }
    return this.#form.parse(text, this.file)
  }

  #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#turn.then(work)
    this.#turn = result.then(
      () => undefined,
      () => undefined, // told to whoever asked for it
    )
    return result
  }
}

const openStores = new Map<string, Store<unknown>>()

/** The store of a file, entered and not yet open. */
export function storeOf<Item>(file: string, form: Form<Item>): Store<Item> {
  const path = resolve(file)
  const store = (openStores.get(path) as Store<Item> | undefined) ?? new Store(path, form)
  openStores.set(path, store as Store<unknown>)
  return store.enter()
}

async function stampOf(file: string): Promise<string> {
  try {
    const { mtimeMs, size, ino } = await stat(file)
    return `${mtimeMs}:${size}:${ino}`
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return ''
    throw unreadable(file, error)
  }
}

async function currentText(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

function busy(file: string, pid: number): ShivError {
  return new ShivError(`Another process (${pid}) records into ${file}.`, {
    code: 'RECORDING_BUSY',
    hint: 'end that recording, or name another file under recording of this dependency',
  })
}

function writeFailure(file: string, error: unknown): ShivError {
  if (error instanceof ShivError) return error
  const { code, message } = error as NodeJS.ErrnoException
  if (code === 'ENOSPC' || code === 'EDQUOT') return diskFull(file, error)
  return new ShivError(`The recording ${file} cannot be written: ${message}`, {
    code: 'RECORDING_NOT_WRITTEN',
    hint: `let your user write there: ls -ld ${dirname(file)}`,
    cause: error,
  })
}

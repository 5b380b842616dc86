import { open, readFile, rm, type FileHandle } from 'node:fs/promises'
import type { Fault } from '../../../core/errors.ts'
import { invalidRecording } from './faults.ts'

/** Where exchanges stand until the recording is closed: a line each, `billing.har.journal`. */
export function journalPath(file: string): string {
  return `${file}.journal`
}

/** What a journal holds; nothing when there is none. A last line that a crash cut off is left out; any other that cannot be read throws. */
export async function readJournal<Item>(file: string): Promise<Item[]> {
  const path = journalPath(file)
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
  const lines = text.split('\n').slice(0, -1)
  const faults: Fault[] = []
  const items = lines.flatMap((line, index): Item[] => {
    try {
      return [JSON.parse(line) as Item]
    } catch {
      const hint = `delete the line: sed -i ${index + 1}d ${path}`
      faults.push({
        code: 'RECORDING_BAD_LINE',
        message: 'a line of the journal is damaged',
        hint,
        file: path,
        line: index + 1,
        column: 1,
      })
      return []
    }
  })
  if (faults.length > 0) throw invalidRecording(path, faults)
  return items
}

/** Appends to the journal; a line is in it whole or is the last one. */
export class Journal {
  readonly #handle: FileHandle
  readonly #path: string

  private constructor(handle: FileHandle, path: string) {
    this.#handle = handle
    this.#path = path
  }

  /** Goes on with a journal that is there: a cut-off last line is cut away first. */
  static async open(file: string): Promise<Journal> {
    const path = journalPath(file)
    const handle = await open(path, 'a+', 0o600)
    const content = await handle.readFile()
    const whole = content.lastIndexOf(0x0a) + 1
    if (whole < content.length) await handle.truncate(whole)
    return new Journal(handle, path)
  }

  async append(items: readonly unknown[]): Promise<void> {
    await this.#handle.appendFile(items.map((item) => `${JSON.stringify(item)}\n`).join(''))
  }

  async close(): Promise<void> {
    await this.#handle.close()
  }

  /** Once its lines are in the recording. */
  remove(): Promise<void> {
    return rm(this.#path, { force: true })
  }
}

/** Of a journal that nobody writes. */
export function removeJournal(file: string): Promise<void> {
  return rm(journalPath(file), { force: true })
}

import { ShivError, type Fault } from '../../../core/errors.ts'

/** Finds line and column of places in a text. */
export class Lines {
  readonly #starts: number[] = [0]
  readonly #text: string

  constructor(text: string) {
    this.#text = text
    for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) this.#starts.push(at + 1)
  }

  /** Where a place of the text is, for a `Fault`; a long line is not shown. */
  at(offset: number): { line: number; column: number; snippet?: string } {
    let low = 0
    let high = this.#starts.length - 1
    while (low < high) {
      const middle = Math.ceil((low + high) / 2)
      if ((this.#starts[middle] ?? 0) <= offset) low = middle
      else high = middle - 1
    }
    const start = this.#starts[low] ?? 0
    const snippet = this.#text.slice(start, (this.#starts[low + 1] ?? this.#text.length + 1) - 1)
    return { line: low + 1, column: offset - start + 1, ...(snippet.length <= 160 && { snippet }) }
  }
}

const MOST_SHOWN = 50

/** What is thrown for a recording with faults. */
export function invalidRecording(file: string, faults: Fault[]): ShivError {
  const [first] = faults
  const count = faults.length === 1 ? 'a fault' : `${faults.length} faults`
  return new ShivError(`The recording ${file} has ${count}; the first: ${first?.message ?? ''}`, {
    code: 'RECORDING_INVALID',
    exit: 2,
    hint: first?.hint ?? 'record it again',
    faults: faults.slice(0, MOST_SHOWN),
  })
}

/** What git leaves where two recordings could not be merged; undefined when there is nothing of it. */
export function conflictFault(text: string, file: string): Fault | undefined {
  const at = text.search(/^(?:<{7} |={7}$|>{7} )/m)
  if (at < 0) return undefined
  return {
    code: 'RECORDING_CONFLICT',
    message: 'git left a conflict here',
    hint: 'keep the blocks of both sides, with a line that holds only "," between them (none between lines of a .jsonl), and delete the marks',
    file,
    ...new Lines(text).at(at),
  }
}

/** A recording that cannot be read at all. */
export function unreadable(file: string, error: unknown): ShivError {
  const { code, message } = error as NodeJS.ErrnoException
  if (code === 'ENOENT') {
    return new ShivError(`There is no recording ${file}.`, {
      code: 'RECORDING_MISSING',
      exit: 2,
      hint: 'set the mode of the dependency to record, and use it once',
      cause: error,
    })
  }
  return new ShivError(`The recording ${file} cannot be read: ${message}`, {
    code: 'RECORDING_UNREADABLE',
    exit: 2,
    hint: `look at its permissions: ls -l ${file}`,
    cause: error,
  })
}

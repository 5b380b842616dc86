/** What agent.sh says. */
export type Answer =
  | Hello
  | { kind: 'refused'; cause: string; path: string }
  | { kind: 'applied'; sequence: number; refused: number }
  | { kind: 'broken'; sequence: number; cause: string }
  | { kind: 'restarted'; sequence: number; pid: number }
  | { kind: 'ready'; sequence: number; pid: number }
  | { kind: 'failed'; sequence: number; cause: string; hasEnded: boolean }
  | { kind: 'hashed'; token: string; output: Buffer }
  | { kind: 'crashed'; code: number }
  | { kind: 'pong'; token: string }

export interface Hello {
  kind: 'hello'
  /** Of the container's life: another one after each of its restarts. */
  boot: string
  /** Of the last order that it holds; 0 when none ever came. */
  sequence: number
  /** Of the overlay that it holds; undefined when nobody can say. */
  mark: string | undefined
  condition: 'running' | 'crashed' | 'waiting'
  /** Of the last order whose files its process was started with. */
  running: number
  pid: number
  code: number
}

/** A path has at most 4 kB, and a cause is a line: what grows beyond this is no answer of agent.sh. */
const LINE_BYTES = 64 * 1024
/** Of the hashes of one question, which is of at most 500 paths. */
const HASH_BYTES = 4 * 1024 * 1024

/** Cuts the agent's bytes into answers; throws on what is none, and on one that does not end. */
export function createAnswerReader(onAnswer: (answer: Answer) => void): (bytes: Buffer) => void {
  let rest: Buffer = Buffer.alloc(0)
  let hashLines: Buffer[] = []
  let hashBytes = 0
  const take = (): Answer | undefined => {
    const end = rest.indexOf(10)
    if (end < 0) return undefined
    const line = rest.toString('utf8', 0, end)
    const space = line.indexOf(' ')
    const word = space < 0 ? line : line.slice(0, space)
    if (word === 'refused') {
      const last = rest.indexOf(0, end)
      if (last < 0) return undefined
      const path = rest.toString('utf8', end + 1, last)
      rest = rest.subarray(last + 1)
      return { kind: 'refused', cause: line.slice(space + 1), path }
    }
    if (word === '=') {
      hashLines.push(Buffer.from(rest.subarray(2, end + 1)))
      hashBytes += end - 1
      if (hashBytes > HASH_BYTES) throw new Error('the agent says more hashes than it was asked for')
      rest = rest.subarray(end + 1)
      return take()
    }
    rest = rest.subarray(end + 1)
    if (word === 'hashed') {
      const output = Buffer.concat(hashLines)
      hashLines = []
      hashBytes = 0
      return { kind: 'hashed', token: line.slice(space + 1), output }
    }
    return plainAnswer(word, line.split(' '), line)
  }
  return (bytes) => {
    rest = rest.length === 0 ? bytes : Buffer.concat([rest, bytes])
    for (let answer = take(); answer !== undefined; answer = take()) onAnswer(answer)
    if (rest.length > LINE_BYTES) throw new Error(`the agent says a line of more than ${LINE_BYTES} bytes`)
  }
}

/** Reads sha256sum's lines: it writes one for each name that it can read, in the order it was given them, and names as they are. */
export function hashesOf(output: Buffer, paths: readonly string[]): Map<string, string> {
  const hashes = new Map<string, string>()
  let at = 0
  for (const path of paths) {
    const tail = Buffer.from(`  ${path}\n`)
    if (!output.subarray(at + 64, at + 64 + tail.length).equals(tail)) continue
    hashes.set(path, output.toString('latin1', at, at + 64))
    at += 64 + tail.length
  }
  return hashes
}

function plainAnswer(word: string, words: string[], line: string): Answer {
  const number = (index: number) => Number(words[index])
  const tail = (index: number) => words.slice(index).join(' ')
  switch (word) {
    case 'hello':
      return {
        kind: 'hello',
        boot: words[2] ?? '',
        sequence: number(3),
        mark: words[4] === '-' ? undefined : words[4],
        condition: words[5] as Hello['condition'],
        running: number(6),
        pid: number(7),
        code: number(8),
      }
    case 'applied':
      return { kind: 'applied', sequence: number(1), refused: number(2) }
    case 'broken':
      return { kind: 'broken', sequence: number(1), cause: tail(2) || 'the frame could not be unpacked' }
    case 'restarted':
    case 'ready':
      return { kind: word, sequence: number(1), pid: number(2) }
    case 'failed':
      return { kind: 'failed', sequence: number(1), cause: causeOf(words), hasEnded: words[2] === 'exited' }
    case 'crashed':
      return { kind: 'crashed', code: number(1) }
    case 'pong':
      return { kind: 'pong', token: words[1] ?? '' }
    default:
      throw new Error(`the agent says what nobody understands: ${line.slice(0, 200)}`)
  }
}

function causeOf([, , how, ...rest]: string[]): string {
  if (how !== 'exited') return `it is not healthy: ${rest.join(' ') || 'it did not become ready in time'}`
  const code = Number(rest[0])
  return code > 128 ? `its process was ended by signal ${code - 128}` : `its process ended with code ${code}`
}

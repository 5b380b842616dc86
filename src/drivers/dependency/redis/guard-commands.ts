import { timingSafeEqual } from 'node:crypto'
import type { DependencySetting } from '../../../engine/dependency-ports.ts'
import { type CommandTable, isContainer, judgeCommand } from './commands.ts'
import { encode, errorLine } from './resp.ts'
import type { Verdict } from './split-commands.ts'

/** What becomes of a command. */
export type Fate =
  | { kind: 'pass'; words: string[] }
  /** Passes in another form. */
  | { kind: 'rewrite'; words: string[]; bytes: Buffer }
  /** Is answered by shiv, at its place among the answers. */
  | { kind: 'answer'; words: string[]; answer: Buffer; refusedWhy?: string }

/** Decides on the commands of one connection: what logs in is ours to answer, and where only reads may pass everything else is judged. */
export interface CommandGuard {
  /** `more` while further words are needed. */
  decide(words: readonly Buffer[], count: number): Fate | Extract<Verdict, 'more'>
}

/** Whose words must all be known. */
const WHOLE = new Set(['auth', 'hello'])

/** `table` is absent where writes may pass. */
export function createCommandGuard(setting: DependencySetting, table: CommandTable | undefined): CommandGuard {
  const { clientPassword, name, upstream } = setting
  let isLoggedIn = clientPassword === undefined
  const place = upstream?.label ?? name
  const logIn = (given: Buffer | undefined): boolean => {
    if (clientPassword === undefined) return true
    const wanted = Buffer.from(clientPassword)
    isLoggedIn = given !== undefined && given.length === wanted.length && timingSafeEqual(given, wanted)
    return isLoggedIn
  }
  const wrong = errorLine(`WRONGPASS the password is not the one that shiv gave for ${name}`)

  return {
    decide(raw, count) {
      const command = lower(raw[0]!)
      const isWhole = WHOLE.has(command) || (command === 'config' && table !== undefined)
      const needed = isWhole ? count : isContainer(table, command) ? Math.min(count, 2) : 1
      if (raw.length < needed) return 'more'
      const words = raw.map(lower)
      const told = isContainer(table, command) ? words.slice(0, 2) : [command]
      if (command === 'auth') {
        const answer = logIn(raw.at(-1)) ? Buffer.from('+OK\r\n') : wrong
        return { kind: 'answer', words: told, answer }
      }
      if (command === 'hello') {
        const at = words.indexOf('auth', 2)
        if (at >= 0 && !logIn(raw[at + 2])) return { kind: 'answer', words: told, answer: wrong }
        if (at >= 0) return { kind: 'rewrite', words: told, bytes: encode([...raw.slice(0, at), ...raw.slice(at + 3)]) }
      }
      if (!isLoggedIn && command !== 'quit') {
        return { kind: 'answer', words: told, answer: errorLine('NOAUTH Authentication required.') }
      }
      if (command === 'reset') {
        const answer = errorLine('ERR RESET would log shiv out of its server; open another connection')
        return { kind: 'answer', words: told, answer }
      }
      const why = table && judgeCommand(table, words)
      if (why === undefined) return { kind: 'pass', words: told }
      const said = told.join(' ').toUpperCase()
      const text = `READONLY shiv refused ${said}: ${place} is read-only here, and ${why}. To let it through: access: read_write with ${name} in service.yaml`
      return { kind: 'answer', words: told, answer: errorLine(text), refusedWhy: why }
    },
  }
}

function lower(word: Buffer): string {
  return word.toString('latin1').toLowerCase()
}

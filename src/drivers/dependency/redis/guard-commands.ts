import { timingSafeEqual } from 'node:crypto'
import type { DependencySetting } from '../../../engine/dependency-ports.ts'
import { type CommandTable, isContainer, judgeCommand } from './commands.ts'
import { encode, errorLine } from '../../redis/resp.ts'
import type { Verdict } from './split-commands.ts'

/** What becomes of a command; `name` is what it is, for a container with its second word, in lower case. */
export type Fate =
  | { kind: 'pass'; name: string }
  /** Passes in another form. */
  | { kind: 'rewrite'; name: string; bytes: Buffer }
  /** Is answered by shiv, at its place among the answers. */
  | { kind: 'answer'; name: string; answer: Buffer; refusedWhy?: string }

/** Decides on the commands of one connection: what logs in is ours to answer, and where only reads may pass everything else is judged. */
export interface CommandGuard {
  /** `more` while further words are needed. */
  decide(words: readonly Buffer[], count: number): Fate | Extract<Verdict, 'more'>
}

/** Whose words must all be known. */
const WHOLE = new Set(['auth', 'hello'])
/** Of one connection; there are some 250 commands, in upper or lower case. */
const MOST_NAMES = 1_000

/** `table` is absent where writes may pass. */
export function createCommandGuard(setting: DependencySetting, table: CommandTable | undefined): CommandGuard {
  const { clientPassword, name: dependency, upstream } = setting
  let isLoggedIn = clientPassword === undefined
  const place = upstream?.label ?? dependency
  const logIn = (given: Buffer | undefined): boolean => {
    if (clientPassword === undefined) return true
    const wanted = Buffer.from(clientPassword)
    isLoggedIn = given !== undefined && given.length === wanted.length && timingSafeEqual(given, wanted)
    return isLoggedIn
  }
  /** Commands whose first word alone says that they pass, as they were written. */
  const passing = new Map<string, Fate>()
  const wrong = errorLine(`WRONGPASS the password is not the one that shiv gave for ${dependency}`)

  return {
    decide(raw, count) {
      const written = raw[0]!.toString('latin1')
      const known = isLoggedIn ? passing.get(written) : undefined
      if (known !== undefined) return known
      const command = written.toLowerCase()
      const isWhole = WHOLE.has(command) || (command === 'config' && table !== undefined)
      const isPair = isContainer(table, command)
      const needed = isWhole ? count : isPair ? Math.min(count, 2) : 1
      if (raw.length < needed) return 'more'
      const words = raw.map(lower)
      const name = isPair ? words.slice(0, 2).join(' ') : command
      if (command === 'auth') {
        const answer = logIn(raw.at(-1)) ? Buffer.from('+OK\r\n') : wrong
        return { kind: 'answer', name, answer }
      }
      if (command === 'hello') {
        const at = words.indexOf('auth', 2)
        if (at >= 0 && !logIn(raw[at + 2])) return { kind: 'answer', name, answer: wrong }
        if (at >= 0) return { kind: 'rewrite', name, bytes: encode([...raw.slice(0, at), ...raw.slice(at + 3)]) }
      }
      if (!isLoggedIn && command !== 'quit') {
        return { kind: 'answer', name, answer: errorLine('NOAUTH Authentication required.') }
      }
      if (command === 'reset') {
        const answer = errorLine('ERR RESET would log shiv out of its server; open another connection')
        return { kind: 'answer', name, answer }
      }
      const why = table && judgeCommand(table, words)
      if (why === undefined) {
        const fate: Fate = { kind: 'pass', name }
        if (!isPair && !isWhole && passing.size < MOST_NAMES && written.length < 64) passing.set(written, fate)
        return fate
      }
      const how = `To let it through, write read_only: false under ${dependency} in service.yaml`
      const text = `READONLY shiv refused ${name.toUpperCase()}: ${place} is read-only here, and ${why}. ${how}`
      return { kind: 'answer', name, answer: errorLine(text), refusedWhy: why }
    },
  }
}

function lower(word: Buffer): string {
  return word.toString('latin1').toLowerCase()
}

import { randomBytes } from 'node:crypto'
import type { Duplex } from 'node:stream'
import type { DependencySetting } from '../../../engine/dependency-ports.ts'
import { type Book, servedByOf } from '../stream/book.ts'
import { carryBothWays } from '../stream/carry.ts'
import type { CommandTable } from './commands.ts'
import { createCommandGuard } from './guard-commands.ts'
import { encode, errorLine } from './resp.ts'
import { createAnswerSplitter, RedisAnswerError } from './split-answers.ts'
import { createCommandSplitter, RedisProtocolError } from './split-commands.ts'

export interface Conversation {
  client: Duplex
  upstream: Duplex
  setting: DependencySetting
  book: Book
  /** Absent where writes may pass. */
  table: CommandTable | undefined
  writeMs: number
  retired: AbortSignal
}

interface Pending {
  summary: string
  began: number
  sentBytes: number
}

/** After these, answers are no longer one for each command. */
const LOOSE = /^(?:[sp]?(?:un)?subscribe|monitor|sync|psync|client reply)$/
/** Commands that are remembered while their answers are awaited. */
const MOST_PENDING = 100_000

/** Carries a connection between client and upstream until either ends. Commands that are more than reads are refused where only reads may pass. */
export function converse({ client, upstream, setting, book, table, writeMs, retired }: Conversation): Promise<void> {
  const guard = createCommandGuard(setting, table)
  const servedBy = servedByOf(setting)
  /** A command that the server does not know stands where one of ours is answered, so that its error comes at the right place, and fails a MULTI. */
  const mark = `shiv_refused_${randomBytes(6).toString('hex')}_`
  const decoyPattern = new RegExp(`${mark}\\d+`)
  const decoys = new Map<string, { answer: Buffer; why?: string }>()
  const pending: Pending[] = []
  let decoyCount = 0
  let sentBytes = 0
  let receivedBytes = 0
  let isLoose = false
  let isInMulti = false

  const send = (bytes: Buffer): void => {
    sentBytes += bytes.length
    if (!upstream.destroyed) upstream.write(bytes)
  }
  const expect = (words: string[]): void => {
    const summary = words.join(' ').toUpperCase()
    const command: Pending = { summary, began: performance.now(), sentBytes }
    sentBytes = 0
    if (LOOSE.test(words.join(' ')) || pending.length > MOST_PENDING) isLoose = true
    if (isLoose) book.record(setting, { ...command, servedBy, outcome: 'answered', receivedBytes: 0 })
    else pending.push(command)
    if (words[0] === 'multi') isInMulti = true
    if (words[0] === 'exec' || words[0] === 'discard') isInMulti = false
  }
  const forward = createCommandSplitter((words, count) => {
    const fate = guard.decide(words, count)
    if (fate === 'more') return fate
    if (fate.kind === 'answer' && fate.words[0] === 'auth' && pending.length === 0 && !isLoose) {
      client.write(fate.answer) // as nearly every connection begins; nothing is awaited before it
      return Buffer.alloc(0)
    }
    expect(fate.words)
    if (fate.kind === 'pass') return 'pass'
    if (fate.kind === 'rewrite') return fate.bytes
    decoyCount += 1
    decoys.set(`${mark}${decoyCount}`, { answer: fate.answer, why: fate.refusedWhy })
    return encode([`${mark}${decoyCount}`])
  }, send)

  const claim = (line: Buffer): { answer: Buffer; why?: string } | undefined => {
    if (decoys.size === 0 || line[0] !== 45) return undefined
    const name = decoyPattern.exec(line.toString('latin1'))?.[0] ?? ''
    const decoy = decoys.get(name)
    decoys.delete(name)
    return decoy
  }
  const back = createAnswerSplitter(
    (line, isPush) => {
      const decoy = claim(line)
      const command = isPush || isLoose ? undefined : pending.shift()
      if (command) {
        const status = line[0] === 45 ? (/^\w+/.exec((decoy?.answer ?? line).toString('latin1', 1))?.[0] ?? 'ERR') : 'OK'
        const told = { ...command, status, receivedBytes }
        receivedBytes = 0
        if (decoy?.why === undefined) book.record(setting, { ...told, servedBy, outcome: 'answered' })
        else book.record(setting, { ...told, servedBy: 'guard', outcome: 'refused', cause: decoy.why })
      }
      return decoy?.answer
    },
    (bytes) => {
      receivedBytes += bytes.length
      if (!client.destroyed) client.write(bytes)
    },
  )

  return carryBothWays({
    client,
    upstream,
    forward,
    back,
    writeMs,
    retired,
    isIdle: () => isLoose || (pending.length === 0 && !isInMulti),
    dismiss(error) {
      if (error instanceof RedisProtocolError) return errorLine(`ERR Protocol error: ${error.message}`)
      return error instanceof RedisAnswerError ? errorLine(`ERR ${error.message}`) : undefined
    },
    farewell: () => undefined,
    left: book.doubt,
    ended(by, cause) {
      const command = pending[0]
      if (command && by !== undefined) {
        book.record(setting, { ...command, servedBy, outcome: by === 'client' ? 'aborted' : 'failed', cause, receivedBytes })
      }
    },
  })
}

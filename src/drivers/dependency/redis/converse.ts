import { randomBytes } from 'node:crypto'
import type { Duplex } from 'node:stream'
import type { DependencySetting } from '../../../engine/dependency-ports.ts'
import { type Book, servedByOf } from '../stream/book.ts'
import { carryBothWays } from '../stream/carry.ts'
import type { CommandRecorder } from '../recording/command-exchange.ts'
import { createCapture } from './capture.ts'
import type { CommandTable } from './commands.ts'
import { createCommandGuard } from './guard-commands.ts'
import { encode, errorLine } from '../../redis/resp.ts'
import { createAnswerSplitter, ERROR, PUSH, RedisAnswerError } from './split-answers.ts'
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
  recorder?: CommandRecorder | undefined
}

interface Pending {
  summary: string
  began: number
  sentBytes: number
}

/** After these, answers are no longer one for each command. */
const LOOSE = new Set(
  'subscribe psubscribe ssubscribe unsubscribe punsubscribe sunsubscribe monitor sync psync'.split(' ').concat('client reply'),
)
/** Commands that are remembered while their answers are awaited. */
const MOST_PENDING = 100_000

/** Carries a connection between client and upstream until either ends. Commands that are more than reads are refused where only reads may pass. */
export function converse({ client, upstream, setting, book, table, writeMs, retired, recorder }: Conversation): Promise<void> {
  const guard = createCommandGuard(setting, table)
  const servedBy = servedByOf(setting)
  /** A command that the server does not know stands where one of ours is answered, so that its error comes at the right place, and fails a MULTI. */
  const mark = `shiv_refused_${randomBytes(6).toString('hex')}_`
  const capture = recorder && createCapture(recorder, (name) => name.startsWith(mark))
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
    capture?.sent(bytes)
    if (!upstream.destroyed) upstream.write(bytes)
  }
  const expect = (name: string): void => {
    const command: Pending = { summary: summaryOf(name), began: performance.now(), sentBytes }
    sentBytes = 0
    if (LOOSE.has(name) || pending.length > MOST_PENDING) isLoose = true
    if (isLoose) book.record(setting, { ...command, servedBy, outcome: 'answered', receivedBytes: 0 })
    else pending.push(command)
    if (name === 'multi') isInMulti = true
    else if (name === 'exec' || name === 'discard') isInMulti = false
  }
  const forward = createCommandSplitter((words, count) => {
    const fate = guard.decide(words, count)
    if (fate === 'more') return fate
    if (fate.kind === 'answer' && fate.name === 'auth' && pending.length === 0 && !isLoose) {
      client.write(fate.answer) // as nearly every connection begins; nothing is awaited before it
      return Buffer.alloc(0)
    }
    expect(fate.name)
    if (fate.kind === 'pass') return 'pass'
    if (fate.kind === 'rewrite') return fate.bytes
    decoyCount += 1
    decoys.set(`${mark}${decoyCount}`, { answer: fate.answer, why: fate.refusedWhy })
    return encode([`${mark}${decoyCount}`])
  }, send)

  const claim = (error: Buffer): { answer: Buffer; why?: string } | undefined => {
    if (decoys.size === 0) return undefined
    const name = decoyPattern.exec(error.toString('latin1'))?.[0] ?? ''
    const decoy = decoys.get(name)
    decoys.delete(name)
    return decoy
  }
  const back = createAnswerSplitter(
    (type, error) => {
      const decoy = error && claim(error)
      const command = type === PUSH || isLoose ? undefined : pending.shift()
      if (command) {
        const line = decoy?.answer ?? error
        const isRefused = decoy?.why !== undefined
        // Written out: this runs for every command of a pipeline.
        book.record(setting, {
          summary: command.summary,
          began: command.began,
          outcome: isRefused ? 'refused' : 'answered',
          servedBy: isRefused ? 'guard' : servedBy,
          status: line?.[0] === ERROR ? (/^\w+/.exec(line.toString('latin1', 1))?.[0] ?? 'ERR') : 'OK',
          cause: decoy?.why,
          sentBytes: command.sentBytes,
          receivedBytes,
        })
        receivedBytes = 0
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
    back: capture ? (chunk) => (capture.received(chunk), back(chunk)) : back,
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

const summaries = new Map<string, string>()

/** In upper case; kept, since the same names come again and again. */
function summaryOf(name: string): string {
  const known = summaries.get(name)
  if (known !== undefined) return known
  const summary = name.toUpperCase()
  if (summaries.size < 1_000) summaries.set(name, summary)
  return summary
}

import type { Duplex } from 'node:stream'
import type { DependencySetting } from '../../../engine/dependency-ports.ts'
import { type Book, servedByOf } from '../stream/book.ts'
import { carryBothWays } from '../stream/carry.ts'
import type { Capture } from './capture.ts'
import type { Session } from './log-in.ts'
import type { Refusal } from './judge.ts'
import { type ErrorFields, errorResponse, message, readErrorFields, readStrings } from '../../postgres/messages.ts'
import { leadsOut } from './read-only-session.ts'
import type { ReadSql } from './read-sql.ts'
import { createDecoys, READ_ONLY_STATE, refusalFields } from './refusal.ts'
import { createSplitter, HEAD, ProtocolError } from './splitter.ts'
import { createTracker, type Unit } from './track.ts'

export interface Conversation {
  client: Duplex
  session: Session
  setting: DependencySetting
  book: Book
  read: ReadSql
  isGuarded: boolean
  writeMs: number
  retired: AbortSignal
  /** Hears all that passes between shiv and the server. */
  capture?: Capture | undefined
}

const [QUERY, PARSE, BIND, CLOSE, SYNC, CALL, END] = [...'QPBCSFX'].map((letter) => letter.charCodeAt(0))
const [READY, ERROR, STATUS] = [...'ZES'].map((letter) => letter.charCodeAt(0))
/** A Bind is looked at for the name of its statement, if it is no longer than this. */
const LOOKED_AT = 16_384
/** Longer SQL is only looked at where it may be refused. */
const LONG_SQL = 1024 * 1024
const [IDLE, STATEMENT] = [...'IS'].map((letter) => letter.charCodeAt(0))

/** Carries a session between client and upstream until either ends. Statements that are more than reads are refused where only reads may pass. */
export function converse(conversation: Conversation): Promise<void> {
  const { client, session, setting, book, read, isGuarded, writeMs, retired, capture } = conversation
  const upstream = session.socket
  const decoys = createDecoys()
  const track = createTracker()
  const servedBy = servedByOf(setting)
  let isInTransaction = false
  let hasEnded = false

  const record = (unit: Unit, receivedBytes: number): void => {
    const { summary, began, sentBytes, status = '00000', refusedWhy } = unit
    if (!isGuarded || status !== READ_ONLY_STATE) {
      return book.record(setting, { summary, began, sentBytes, receivedBytes, servedBy, outcome: 'answered', status })
    }
    const refused = refusedWhy ? { servedBy: 'guard' as const, cause: refusedWhy } : { servedBy, cause: 'the server refused it' }
    book.record(setting, { summary, began, sentBytes, receivedBytes, ...refused, outcome: 'refused', status })
  }
  const refuse = (summary: string, refusal: Refusal): ErrorFields => refusalFields(setting, summary, refusal)

  const forward = createSplitter(
    {
      begin(type, length) {
        const isSql = type === QUERY || type === PARSE
        if (isSql && !isGuarded && length > LONG_SQL) {
          if (type === QUERY) track.simple('long SQL')
          else track.parsed('', 'long SQL')
          return 'pass'
        }
        if (isSql || type === CALL) return 'whole'
        if ((type === BIND || type === CLOSE) && length <= LOOKED_AT) return 'whole'
        if (type === BIND) track.bound('')
        if (type === SYNC) track.sync()
        if (type === END) hasEnded = true
        return 'pass'
      },
      whole(type, bytes, at, end) {
        const start = at + HEAD
        if (type === QUERY) {
          if (bytes.indexOf(0, start) !== end - 1) throw new ProtocolError('a query does not end where its message does')
          const { summary, refusal } = read(bytes.toString('latin1', start, end - 1), false)
          const unit = track.simple(summary)
          if (refusal === undefined) return undefined
          unit.refusedWhy = refusal.why
          return decoys.query(refuse(summary, refusal))
        }
        if (type === PARSE) {
          const name = endOfString(bytes, start, end)
          const text = endOfString(bytes, name + 1, end)
          if (name < 0 || text < 0) throw new ProtocolError('a Parse message is not whole')
          const { summary, refusal } = read(bytes.toString('latin1', name + 1, text), true)
          track.parsed(bytes.toString('latin1', start, name), summary)
          if (refusal === undefined) return undefined
          track.refused(summary, refusal.why)
          return decoys.parse(refuse(summary, refusal))
        }
        if (type === CALL) {
          const unit = track.simple('function call')
          if (!isGuarded) return undefined
          const refusal = { why: 'a call of a function by its number may do more than read' }
          unit.refusedWhy = refusal.why
          return decoys.query(refuse(unit.summary, refusal))
        }
        if (type === BIND) {
          const portal = endOfString(bytes, start, end)
          const name = portal < 0 ? -1 : endOfString(bytes, portal + 1, end)
          track.bound(name < 0 ? '' : bytes.toString('latin1', portal + 1, name))
        } else if (bytes[start] === STATEMENT) {
          const name = endOfString(bytes, start + 1, end)
          track.closed(name < 0 ? '' : bytes.toString('latin1', start + 1, name))
        }
        return undefined
      },
    },
    (bytes) => {
      track.sent(bytes.length)
      capture?.sent(bytes)
      if (!upstream.destroyed) upstream.write(bytes)
    },
  )

  const back = createSplitter(
    {
      begin: (type) => (type === READY || type === ERROR || type === STATUS ? 'whole' : 'pass'),
      whole(type, bytes, at, end) {
        if (type === READY) {
          isInTransaction = bytes[at + HEAD] !== IDLE
          const [over, received] = [track.ready(), track.takeReceived()]
          if (track.isIdle()) decoys.forget()
          if (over) record(over, received)
          return undefined
        }
        const body = bytes.subarray(at + HEAD, end)
        if (type === ERROR) {
          const fields = readErrorFields(body)
          const ours = decoys.claim(fields.get('M') ?? '')
          const unit = track.current()
          if (unit) unit.status = ours?.code ?? fields.get('C') ?? ''
          return ours && errorResponse(ours)
        }
        const [name = '', value = ''] = readStrings(body, 2)
        if (isGuarded && leadsOut(name, value)) {
          throw new ProtocolError(`the session left read-only: ${name} became ${value}; shiv ended it`, READ_ONLY_STATE)
        }
        return undefined
      },
    },
    (bytes) => {
      track.received(bytes.length)
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
    isIdle: () => hasEnded || (track.isIdle() && !isInTransaction),
    dismiss(error) {
      if (!(error instanceof ProtocolError)) return undefined
      return errorResponse({ severity: 'FATAL', code: error.code, message: error.message })
    },
    farewell() {
      const text = 'the dependency leads elsewhere now; connect again'
      return { client: errorResponse({ severity: 'FATAL', code: '57P01', message: text }), upstream: message('X') }
    },
    left: book.doubt,
    ended(by, cause) {
      const unit = track.rest()
      if (unit && by !== undefined) {
        const { summary, began, sentBytes } = unit
        const outcome = by === 'client' ? 'aborted' : 'failed'
        book.record(setting, { summary, began, sentBytes, receivedBytes: 0, servedBy, outcome, cause })
      }
    },
  })
}

/** Where a string ends that begins at `at`; -1 when it does not before `end`. They are short: a loop is quicker than a search by the runtime. */
function endOfString(bytes: Buffer, at: number, end: number): number {
  for (let index = at; index < end; index += 1) if (bytes[index] === 0) return index
  return -1
}

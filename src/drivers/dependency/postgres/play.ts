import type { DependencySetting, ServedBy } from '../../../engine/dependency-ports.ts'
import { errorResponse, int32, message, readStrings } from '../../postgres/messages.ts'
import type { CommandFrame, CommandRequest } from '../recording/command-exchange.ts'
import type { Unmatched } from '../exchange.ts'
import type { PlayedConnection } from '../stream/open-stream.ts'
import { take } from '../stream/take.ts'
import { stateOf, writeFrame } from './frames.ts'
import type { Asked, FindAnswer, Found } from './asked.ts'
import { createSqlReader } from './read-sql.ts'
import * as requests from './requests.ts'
import { ProtocolError } from './splitter.ts'
import { failure, isAborted, leavesFailed, statementsOf, statusAfter, type Statement, type Status } from './transaction.ts'

/** SQLSTATE of a class that Postgres leaves to others: nothing was recorded that answers this. */
export const UNMATCHED_STATE = 'SH001'

const LONGEST = 16 * 1024 * 1024
/** Bytes that may wait for the client before the next message of it is looked at. */
const MOST_WAITING = 256 * 1024
const TOO_LONG = `what is longer than ${requests.LONGEST_RECORDED} bytes is not recorded`

interface Portal {
  sql: string
  statements: Statement[]
  request: CommandRequest
  types: Buffer
  binding: requests.Binding
  found?: Promise<Found>
  /** How many rows were given. */
  given: number
}

/** Answers one session that was opened, from a recording, to its end. Throws ProtocolError for what is none of the protocol, and what `find` throws. */
export async function playSession(connection: PlayedConnection, find: FindAnswer, gone: AbortSignal): Promise<void> {
  const { client, setting, book, retired } = connection
  const summarise = createSqlReader()
  const statements = new Map<string, { sql: string; statements: Statement[]; types: Buffer }>()
  const portals = new Map<string, Portal>()
  let status: Status = 'I'
  /** After an error of the extended protocol everything up to the next Sync is passed over. */
  let isSkipping = false
  let out: Buffer[] = []
  let unit = newUnit()
  const idle = AbortSignal.any([gone, retired])

  const flush = async (): Promise<void> => {
    if (out.length === 0 || client.destroyed) return
    const bytes = Buffer.concat(out)
    out = []
    unit.receivedBytes += bytes.length
    client.write(bytes)
    if (client.writableLength > MOST_WAITING) await drained(client, gone)
  }
  const say = (frame: CommandFrame): void => {
    out.push(writeFrame(frame))
    if (frame.kind === 'ErrorResponse') unit.status = stateOf(frame)
  }
  const fail = (frame: CommandFrame): void => {
    say(frame)
    isSkipping = true
    if (status === 'T') status = 'E'
  }
  const ready = async (): Promise<void> => {
    out.push(message('Z', status))
    await flush()
    if (unit.summary !== undefined) tell(setting, book, { ...unit, summary: unit.summary })
    unit = newUnit()
  }
  const note = (sql: string, { servedBy, why }: Pick<Found, 'servedBy' | 'why'>): void => {
    unit.summary ??= summarise(Buffer.from(sql).toString('latin1'), false).summary
    unit.servedBy = servedBy
    unit.why ??= why
  }
  const lookUp = async (asked: Omit<Asked, 'status'>): Promise<Found> => {
    const { statements } = asked
    if (statements.length === 0) return { frames: [{ kind: 'EmptyQueryResponse', values: [] }], servedBy: 'recording' }
    if (status === 'E' && !statements.every(leavesFailed)) return { frames: [isAborted()], servedBy: 'recording' }
    const found = await find({ ...asked, status }, gone)
    if (!('unmatched' in found)) return found
    const { message: why } = found.unmatched
    return { frames: [unmatchedFailure(found.unmatched)], servedBy: 'nobody', why }
  }
  const described = (frames: readonly CommandFrame[]): CommandFrame | undefined =>
    frames.find(({ kind }) => kind === 'RowDescription' || kind === 'NoData' || kind === 'ErrorResponse')

  const simple = async (sql: string, isLong: boolean): Promise<void> => {
    const asked = statementsOf(sql)
    const found: Found = isLong
      ? { frames: [failure(UNMATCHED_STATE, TOO_LONG)], servedBy: 'nobody', why: TOO_LONG }
      : await lookUp({ request: requests.simpleRequest(sql), statements: asked })
    note(sql, found)
    for (const frame of found.frames) say(frame)
    status = statusAfter(status, asked, found.frames)
    await ready()
  }
  const execute = async (portal: Portal, limit: number): Promise<void> => {
    const { frames, ...by } = await (portal.found ??= lookUp(portal))
    note(portal.sql, by)
    const rows = frames.filter(({ kind }) => kind === 'DataRow')
    const rest = rows.slice(portal.given, limit > 0 ? portal.given + limit : undefined)
    const isFirst = portal.given === 0
    portal.given += rest.length
    if (limit > 0 && rest.length === limit) {
      for (const row of rest) say(row)
      return void out.push(message('s'))
    }
    let isGiven = false
    for (const frame of frames) {
      if (frame.kind === 'RowDescription' || frame.kind === 'NoData') continue
      if (frame.kind === 'ErrorResponse') return fail(frame)
      if (frame.kind === 'DataRow') {
        if (!isGiven) for (const row of rest) say(row)
        isGiven = true
      } else if (frame.kind === 'CommandComplete' && !isFirst) say(retag(frame, rest.length))
      else say(frame)
    }
    status = statusAfter(status, portal.statements, frames)
  }
  const extended = async (type: string, body: Buffer, isLong: boolean): Promise<void> => {
    if (type === 'P') {
      const end = body.indexOf(0)
      const sql = requests.sqlOf(body.subarray(end + 1, body.indexOf(0, end + 1)))
      const asked = statementsOf(sql)
      note(sql, { servedBy: 'recording' })
      if (isLong) return fail(failure(UNMATCHED_STATE, TOO_LONG))
      if (status === 'E' && !asked.every(leavesFailed)) return fail(isAborted())
      const broken = await find({ request: requests.parseRequest(sql), statements: [], status }, gone)
      if (!('unmatched' in broken) && broken.frames[0]) return fail(broken.frames[0])
      const types = Buffer.from(body.subarray(body.indexOf(0, end + 1) + 1))
      statements.set(body.toString('utf8', 0, end), { sql, statements: asked, types })
      return void out.push(message('1'))
    }
    if (type === 'B') {
      const binding = requests.readBinding(body)
      const statement = statements.get(binding.statement)
      if (statement === undefined) return fail(failure('26000', `prepared statement "${binding.statement}" does not exist`))
      if (isLong) return fail(failure(UNMATCHED_STATE, TOO_LONG))
      portals.set(binding.portal, { ...statement, binding, request: requests.boundRequest(statement.sql, binding), given: 0 })
      return void out.push(message('2'))
    }
    const isStatement = body[0] === 83
    const name = readStrings(type === 'E' ? body : body.subarray(1), 1)[0] ?? ''
    if (type === 'C') {
      if (isStatement) statements.delete(name)
      else portals.delete(name)
      return void out.push(message('3'))
    }
    if (type === 'D' && isStatement) {
      const statement = statements.get(name)
      if (statement === undefined) return fail(failure('26000', `prepared statement "${name}" does not exist`))
      const { frames, ...by } = await lookUp({ ...statement, request: requests.describeRequest(statement.sql) })
      note(statement.sql, by)
      const broken = frames.find(({ kind }) => kind === 'ErrorResponse')
      if (broken) return fail(broken)
      if (frames[0]?.kind === 'ParameterDescription') return frames.forEach(say)
      // Of what shiv answers itself nothing was asked.
      return [
        { kind: 'ParameterDescription', values: [] },
        { kind: 'NoData', values: [] },
      ].forEach(say)
    }
    const portal = portals.get(name)
    if (portal === undefined) return fail(failure('34000', `portal "${name}" does not exist`))
    if (type === 'E') return execute(portal, body.readInt32BE(body.indexOf(0) + 1))
    const found = await (portal.found ??= lookUp(portal))
    note(portal.sql, found)
    const description = described(found.frames)
    if (description?.kind === 'ErrorResponse') return fail(description)
    say(description ?? { kind: 'NoData', values: [] })
  }

  for (;;) {
    const isIdle = status === 'I' && unit.summary === undefined && !isSkipping
    const next = await nextMessage(client, isIdle ? idle : gone).catch((error: unknown) => {
      if (retired.aborted && !gone.aborted) return undefined
      throw error
    })
    if (next === undefined) {
      const text = 'the dependency leads elsewhere now; connect again'
      return void client.end(errorResponse({ severity: 'FATAL', code: '57P01', message: text }))
    }
    const { type, body } = next
    unit.sentBytes += body.length + 5
    const isLong = body.length + 5 > requests.LONGEST_RECORDED
    if (type === 'X') return void client.end()
    if (type === 'S') {
      isSkipping = false
      // Outside of a transaction a portal does not outlive the Sync.
      if (status === 'I') portals.clear()
      await ready()
    } else if (isSkipping) continue
    else if (type === 'Q') await simple(requests.sqlOf(body.subarray(0, -1)), isLong)
    else if (type === 'H') await flush()
    else if ('PBDEC'.includes(type)) {
      await extended(type, body, isLong)
      if (out.length > 1_000) await flush()
    } else if (type === 'F') {
      note('function call', { servedBy: 'nobody', why: 'calls of functions by their number are not recorded' })
      say(failure(UNMATCHED_STATE, 'calls of functions by their number are not recorded'))
      await ready()
    } else if (!'dcf'.includes(type)) throw new ProtocolError(`a message of type ${JSON.stringify(type)} is none of a client`)
  }
}

interface PlayedUnit {
  summary?: string
  began: number
  sentBytes: number
  receivedBytes: number
  servedBy: ServedBy
  status: string
  why?: string
}

function newUnit(): PlayedUnit {
  return { began: performance.now(), sentBytes: 0, receivedBytes: 0, servedBy: 'recording', status: '00000' }
}

function tell(setting: DependencySetting, book: PlayedConnection['book'], unit: PlayedUnit & { summary: string }): void {
  const { why, ...entry } = unit
  const outcome = why === undefined ? 'answered' : 'refused'
  book.record(setting, { ...entry, outcome, ...(why !== undefined && { cause: why }) })
}

function unmatchedFailure({ message: said, nearest, difference, hint }: Unmatched): CommandFrame {
  const detail = [...(nearest === undefined ? [] : [`nearest: ${nearest}`]), ...difference].join('\n')
  return failure(UNMATCHED_STATE, said, { ...(detail !== '' && { detail }), ...(hint && { hint }) })
}

/** The tag of what is left of a result that was read in parts. */
function retag({ kind, values }: CommandFrame, rows: number): CommandFrame {
  const tag = values[0]?.value?.toString('utf8') ?? ''
  return { kind, values: [{ value: Buffer.from(tag.replace(/ \d+$/, ` ${rows}`)) }] }
}

async function nextMessage(client: PlayedConnection['client'], signal: AbortSignal): Promise<{ type: string; body: Buffer }> {
  const head = await take(client, 5, signal)
  const length = head.readInt32BE(1) - 4
  if (length < 0) throw new ProtocolError('a message says that it has no length')
  if (length > LONGEST) throw new ProtocolError(`a message of ${length} bytes is too long to be looked at`, '54000')
  const body = length === 0 ? Buffer.alloc(0) : await take(client, length, signal)
  return { type: String.fromCharCode(head[0]!), body }
}

function drained(client: PlayedConnection['client'], gone: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const settle = (): void => {
      client.removeListener('drain', settle)
      gone.removeEventListener('abort', settle)
      resolve()
    }
    client.once('drain', settle)
    gone.addEventListener('abort', settle, { once: true })
  })
}

/** Key and settings that a session begins with. */
export function sessionBegin(statuses: readonly [string, string][], key: Buffer): Buffer {
  return Buffer.concat([
    ...statuses.map(([name, value]) => message('S', `${name}\0${value}\0`)),
    message('K', key),
    message('Z', 'I'),
  ])
}

/** A process and a secret that cancel nothing: nothing takes long here. */
export function idleKey(): Buffer {
  return Buffer.concat([int32(1), int32(0)])
}

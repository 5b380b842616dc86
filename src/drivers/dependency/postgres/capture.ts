import type { CommandFrame, CommandRecorder, CommandRequest } from '../recording/command-exchange.ts'
import { readStrings } from '../../postgres/messages.ts'
import { type Column, readColumns, readFrame, stateOf } from './frames.ts'
import type { Session } from './log-in.ts'
import { MARK } from './refusal.ts'
import * as requests from './requests.ts'
import { createSplitter } from './splitter.ts'
import { statementsOf, type Status } from './transaction.ts'

/** Hears what passes between shiv and the server, in both directions, and keeps the exchanges. Never throws. */
export interface Capture {
  sent(bytes: Buffer): void
  received(bytes: Buffer): void
}

/** What a client sent that the server answers, in the order in which it does. */
interface Step {
  kind: 'query' | 'parse' | 'bind' | 'describe' | 'execute' | 'close' | 'sync' | 'call'
  /** What is kept when it is over; absent where nothing is. */
  request?: CommandRequest
  statement?: Prepared
  portal?: Portal
  /** Of the rows of a simple query. */
  names?: Column[]
  frames: CommandFrame[]
  size: number
  /** Why it is left out. */
  why?: string
}

interface Prepared {
  sql: string
  columns?: CommandFrame
  names?: Column[]
}

interface Portal {
  statement: Prepared
  request: CommandRequest
  why?: string
  columns?: CommandFrame
  names?: Column[]
}

/** Of one answer; longer ones are left out. */
const LONGEST_ANSWER = 32 * 1024 * 1024
/** As many names of prepared statements as are remembered for one session. */
const MOST_NAMES = 10_000
/** Of messages that are looked into; of the rest the length is enough. */
const LOOKED_AT = new Set([...'QPBDEHCSF'].map((letter) => letter.charCodeAt(0)))
const LONG = `SQL or a parameter of more than ${requests.LONGEST_RECORDED} bytes is not recorded`
/** As the splitter bounds it. */
const LONGEST_MESSAGE = 16 * 1024 * 1024
const TOO_LONG = `an answer of more than ${LONGEST_ANSWER} bytes is not recorded`
/** Errors that say something of the moment: cancelled, shut down, out of room, the network, defects; and what must not be written. */
const OF_THE_MOMENT = /^(?:57|58|53|08|XX)|^25006$/

/** Follows one session. `asked` is what its client wanted of it. */
export function createCapture(recorder: CommandRecorder, session: Session, asked: Record<string, string>): Capture {
  const statements = new Map<string, Prepared>()
  const portals = new Map<string, Portal>()
  let steps: Step[] = []
  /** Executed since the last Sync: what the server reports of its settings comes after the answer. */
  let executed: Step[] = []
  /** The server skips to the next Sync, which was not sent yet. */
  let isSkipping = false
  let status: Status = 'I'
  let encoding = session.statuses.get('client_encoding') ?? 'UTF8'
  let isBroken = false

  const guarded =
    (work: (bytes: Buffer) => void) =>
    (bytes: Buffer): void => {
      if (isBroken) return
      try {
        work(bytes)
      } catch {
        // What cannot be followed here ends the session in the part that carries it, which says why.
        isBroken = true
      }
    }
  const expect = (step: Omit<Step, 'frames' | 'size'>): void => {
    if (isSkipping && step.kind !== 'sync') return
    if (step.kind === 'sync' && isSkipping) isSkipping = false
    steps.push({ ...step, frames: [], size: 0 })
  }
  const keep = ({ request, frames, why }: Step, startedIn: Status): void => {
    // In a transaction that failed the answer follows from that alone.
    if (request === undefined || startedIn === 'E' || request.command.includes(MARK)) return
    const failed = frames.find(({ kind }) => kind === 'ErrorResponse')
    if (failed !== undefined && OF_THE_MOMENT.test(stateOf(failed))) return
    const once = request.way === 'describe' || request.way === 'parse'
    const left = why ?? (requests.isUtf8(encoding) ? undefined : `text in ${encoding} is not recorded, UTF8 is`)
    if (left === undefined) recorder.record(request, frames, { once })
    else recorder.omit(request, left)
  }

  const send = (type: string, body: Buffer, length: number): void => {
    const isLong = length > requests.LONGEST_RECORDED
    if (type === 'Q') {
      const sql = isLong ? '' : requests.sqlOf(body.subarray(0, -1))
      const why = isLong ? LONG : requests.whyNotRecorded(statementsOf(sql))
      expect({ kind: 'query', ...(!isLong && { request: requests.simpleRequest(sql) }), ...(why && { why }) })
    } else if (type === 'P') {
      const end = body.indexOf(0)
      const statement: Prepared = { sql: isLong ? MARK : requests.sqlOf(body.subarray(end + 1, body.indexOf(0, end + 1))) }
      if (statements.size >= MOST_NAMES) statements.clear()
      if (!isSkipping) statements.set(body.toString('utf8', 0, end), statement)
      expect({ kind: 'parse', statement, request: requests.parseRequest(statement.sql) })
    } else if (type === 'B') {
      const binding = isLong ? undefined : requests.readBinding(body)
      const [name = '', of = ''] = binding ? [binding.portal, binding.statement] : readStrings(body, 2)
      const statement = statements.get(of) ?? { sql: MARK }
      const request = requests.boundRequest(
        statement.sql,
        binding ?? { portal: name, statement: of, formats: [], values: [], resultFormats: [] },
      )
      const why = isLong ? LONG : requests.whyNotRecorded(statementsOf(statement.sql))
      const portal: Portal = { statement, request, ...(why && { why }) }
      if (isLong) request.command = MARK
      if (portals.size >= MOST_NAMES) portals.clear()
      if (!isSkipping) portals.set(name, portal)
      expect({ kind: 'bind', portal })
    } else if (type === 'D') {
      const name = readStrings(body.subarray(1), 1)[0] ?? ''
      const statement = body[0] === 83 ? statements.get(name) : undefined
      const portal = body[0] === 80 ? portals.get(name) : undefined
      const request = statement && requests.describeRequest(statement.sql)
      expect({ kind: 'describe', ...(statement && { statement }), ...(portal && { portal }), ...(request && { request }) })
    } else if (type === 'E') {
      const portal = portals.get(readStrings(body, 1)[0] ?? '')
      expect({ kind: 'execute', ...(portal && { portal, request: portal.request, ...(portal.why && { why: portal.why }) }) })
    } else if (type === 'C') {
      const name = readStrings(body.subarray(1), 1)[0] ?? ''
      if (body[0] === 83) statements.delete(name)
      else portals.delete(name)
      expect({ kind: 'close' })
    } else if (type === 'S') expect({ kind: 'sync' })
    else if (type === 'F') expect({ kind: 'call' })
  }

  const add = (step: Step, frame: CommandFrame | undefined, bytes: number): void => {
    if (frame === undefined || step.why !== undefined) return
    step.size += bytes
    if (step.size > LONGEST_ANSWER) {
      step.why = TOO_LONG
      step.frames = []
    } else step.frames.push(frame)
  }
  /** A step of the extended protocol failed: the server skips what follows it, to the next Sync. */
  const fail = (front: Step, error: CommandFrame | undefined): void => {
    const end = steps.findIndex(({ kind }) => kind === 'sync')
    const skipped = steps.slice(0, end < 0 ? steps.length : end)
    steps = end < 0 ? [] : steps.slice(end)
    isSkipping = end < 0
    if (error === undefined) return
    // What the client wanted of the statement that failed is what it will ask for again.
    const of = front.statement ?? front.portal?.statement
    const wanted =
      skipped.find(({ kind, portal }) => kind === 'execute' && portal?.statement === of) ??
      skipped.find(({ kind, statement }) => kind === 'describe' && statement === of) ??
      front
    const columns = wanted.portal?.columns
    const frames = wanted === front ? [...front.frames, error] : [error]
    if (wanted.kind === 'execute' && columns) frames.unshift(columns)
    executed.push({ ...wanted, frames })
  }

  const receive = (type: string, bytes: Buffer): void => {
    const body = bytes.subarray(5)
    const [front] = steps
    if (type === 'S') {
      const [name = '', value = ''] = readStrings(body, 2)
      if (name === 'client_encoding') encoding = value
      const step = front?.kind === 'query' ? front : executed.findLast(({ kind }) => kind === 'execute')
      if (step && name !== 'application_name' && name !== 'session_authorization')
        add(step, readFrame(type, body, undefined), body.length)
      return
    }
    if (type === 'Z') {
      const over = steps.shift()
      for (const step of executed) keep(step, status)
      executed = []
      if (over?.kind === 'query') keep(over, status)
      status = String.fromCharCode(body[0] ?? 73) as Status
      return
    }
    if (front === undefined) return
    if (type === 'G' || type === 'W') {
      front.why ??= 'what COPY takes from the client is not recorded'
      // While it copies, the server passes over what was sent as a Sync.
      if (front.kind === 'execute') steps = steps.filter(({ kind }) => kind !== 'sync')
      return
    }
    if (type === 'H') front.why ??= requests.COPY_OUT
    if (type === 'E') {
      const error = readFrame(type, body, undefined)
      if (front.kind === 'query') add(front, error, body.length)
      else if (front.kind !== 'call' && front.kind !== 'sync') fail(front, error)
      return
    }
    const take = (): void => void steps.shift()
    if (type === 'T' || type === 'n') {
      const frame = readFrame(type, body, undefined)
      const names = type === 'T' ? readColumns(body) : []
      if (front.kind === 'query') {
        front.names = names
        return add(front, frame, body.length)
      }
      if (front.kind !== 'describe') return
      const described = front.portal ?? front.statement
      if (described && frame) Object.assign(described, { columns: frame, names })
      add(front, frame, body.length)
      if (front.statement) executed.push(front)
      return take()
    }
    if (type === '1' || type === '2' || type === '3') return take()
    const names = front.names ?? front.portal?.names ?? front.portal?.statement.names
    if (type === 's') {
      const why = 'a result that is read in parts is not recorded'
      if (front.portal) front.portal.why ??= why
      executed.push({ ...front, why: front.why ?? why })
      return take()
    }
    // Without their names secrets among the columns could not be known.
    if (type === 'D' && names === undefined) front.why ??= 'what its columns are called was never asked in this session'
    add(front, front.why === undefined ? readFrame(type, body, names) : undefined, body.length)
    if ((type === 'C' || type === 'I') && front.kind === 'execute') {
      if (front.portal?.why !== undefined) front.why ??= front.portal.why
      const columns = front.portal?.columns ?? described(front)
      if (columns) front.frames.unshift(columns)
      executed.push(front)
      take()
    }
  }
  /** What Describe said of the statement, with the formats that its portal was given. */
  const described = ({ portal, request }: Step): CommandFrame | undefined => {
    const columns = portal?.statement.columns
    if (columns === undefined || columns.kind === 'NoData' || request?.way === undefined) return columns
    const formats = request.way === 'binary' ? ['1'] : request.way.replace('formats ', '').split(',')
    const values = columns.values.map(({ value }, at) => {
      const format = formats.length === 1 ? formats[0] : formats[at]
      return { value: Buffer.from(value!.toString('utf8').replace(/\d$/, format ?? '0')) }
    })
    return { ...columns, values }
  }

  const follow = (isClient: boolean, hear: (type: string, bytes: Buffer, length: number) => void) =>
    createSplitter(
      {
        begin(type, length) {
          const isNeeded = !isClient || LOOKED_AT.has(type)
          if (length <= (isClient ? requests.LONGEST_RECORDED : LONGEST_MESSAGE)) return isNeeded ? 'whole' : 'pass'
          if (isClient && isNeeded) hear(String.fromCharCode(type), Buffer.from('\0\0\0'), length)
          else if (!isClient && steps[0]) {
            steps[0].why ??= TOO_LONG
            steps[0].frames = []
          }
          return 'pass'
        },
        whole(type, bytes, at, end) {
          hear(String.fromCharCode(type), bytes.subarray(at, end), end - at)
          return undefined
        },
      },
      () => undefined,
    )

  const reported = [...session.statuses].filter(([name]) => name !== 'application_name' && name !== 'session_authorization')
  const frames = reported
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => ({ kind: 'ParameterStatus', values: [name, value].map((text) => ({ value: Buffer.from(text) })) }))
  recorder.record(requests.startupRequest(asked), frames, { once: true })
  return {
    sent: guarded(follow(true, (type, bytes, length) => send(type, length > bytes.length ? bytes : bytes.subarray(5), length))),
    received: guarded(follow(false, (type, bytes) => receive(type, bytes))),
  }
}

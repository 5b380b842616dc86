import { int32, message } from '../../postgres/messages.ts'
import type { DependencySetting } from '../../../engine/dependency-ports.ts'
import type { CommandFrame } from '../recording/command-exchange.ts'
import type { Asked } from './asked.ts'
import { type Column, readColumns, readFrame } from './frames.ts'
import { nextMessage, type Session } from './log-in.ts'
import type { Reading, ReadSql } from './read-sql.ts'
import { refusalFields } from './refusal.ts'
import { COPY_OUT } from './requests.ts'
import { failure, type Statement } from './transaction.ts'

export interface LegAnswer {
  frames: CommandFrame[]
  /** Why it was not sent. */
  refusedWhy?: string
  /** False where the answer is no answer of the statement alone, and so not recorded. */
  isWhole: boolean
  /** Why it is left out of the recording. */
  omittedWhy?: string
}

/** A session at the server for what the recording of one client's session lacks; opened with the first. */
export interface Leg {
  readonly isOpen: boolean
  /** What changed the session and was answered without the server: done there too when it is opened. */
  remember(sql: string, statement: Statement): void
  /** Rejects where the server cannot be reached or breaks off. */
  ask(asked: Asked, signal: AbortSignal): Promise<LegAnswer>
  close(): void
}

/** Of one answer, in bytes. */
const LONGEST = 64 * 1024 * 1024

/** `open` gives a session that is proved, and what may be asked of it. */
export function createLeg(
  setting: DependencySetting,
  open: (signal: AbortSignal) => Promise<{ session: Session; read: ReadSql }>,
): Leg {
  let opened: { session: Session; read: ReadSql } | undefined
  let remembered: { sql: string; control: Statement['control'] }[] = []

  const answerOf = async ({ socket }: Session, signal: AbortSignal): Promise<LegAnswer> => {
    const frames: CommandFrame[] = []
    let columns: Column[] | undefined
    let size = 0
    let isWhole = true
    let omittedWhy: string | undefined
    for (;;) {
      const { type, body } = await nextMessage(socket, signal)
      if (type === 'Z') return { frames, isWhole, ...(omittedWhy !== undefined && { omittedWhy }) }
      if (type === 'H') omittedWhy = COPY_OUT
      if (type === 'T') columns = readColumns(body)
      if (type === 'G' || type === 'W') {
        socket.write(message('f', 'shiv takes nothing from COPY while it plays a recording\0'))
        isWhole = false
      }
      const isNotice = type === 'S' && /^(?:application_name|session_authorization)\0/.test(body.toString('latin1'))
      const frame = isNotice ? undefined : readFrame(type, body, columns)
      if (frame === undefined) continue
      size += body.length
      if (size > LONGEST) throw new Error(`an answer of more than ${LONGEST} bytes is not kept`)
      frames.push(frame)
    }
  }
  /** Refused where something that was remembered may not pass: the session there would be another one than the client's. */
  const ensure = async (signal: AbortSignal): Promise<{ session: Session; read: ReadSql } | { refused: LegAnswer }> => {
    if (opened !== undefined) return opened
    const fresh = await open(signal)
    for (const { sql } of remembered) {
      const refused = refusedBy(setting, readText(fresh.read, sql))
      if (refused !== undefined) {
        fresh.session.socket.destroy()
        return { refused }
      }
      fresh.session.socket.write(message('Q', `${sql}\0`))
      await answerOf(fresh.session, signal)
    }
    remembered = []
    opened = fresh
    return fresh
  }
  return {
    get isOpen() {
      return opened !== undefined
    },
    remember(sql, { control }) {
      if (control === 'commit' || control === 'rollback') {
        const from = remembered.findLastIndex((one) => one.control === 'begin')
        const within = from < 0 ? [] : remembered.splice(from)
        // A setting outlives the transaction that it was made in, unless that was undone.
        if (control === 'commit') remembered.push(...within.filter((one) => one.control === undefined))
      } else remembered.push({ sql, control })
    },
    async ask({ request, binding, types = int16(0) }, signal) {
      const ensured = await ensure(signal)
      if ('refused' in ensured) return ensured.refused
      const { session, read } = ensured
      const refused = refusedBy(setting, readText(read, request.command))
      if (refused !== undefined) return refused
      const { socket } = session
      if (request.way === 'simple') socket.write(message('Q', `${request.command}\0`))
      else {
        const parse = message('P', `\0${request.command}\0`, types)
        const run = binding ? [bindMessage(binding), message('D', 'P\0'), message('E', '\0', int32(0))] : [message('D', 'S\0')]
        socket.write(Buffer.concat([parse, ...run, message('S')]))
      }
      return answerOf(session, signal)
    },
    close() {
      opened?.session.socket.end(message('X'))
      opened?.session.socket.destroy()
      opened = undefined
    },
  }
}

/** SQL as people read it, judged as the bytes that it is on the wire. */
export function readText(read: ReadSql, sql: string): Reading {
  return read(Buffer.from(sql).toString('latin1'), true)
}

/** The answer to a statement that may not pass; undefined where it may. */
export function refusedBy(setting: DependencySetting, { summary, refusal }: Reading): LegAnswer | undefined {
  if (refusal === undefined) return undefined
  const { code, message: said, hint } = refusalFields(setting, summary, refusal)
  return { frames: [failure(code, said, { ...(hint && { hint }) })], refusedWhy: refusal.why, isWhole: false }
}

function bindMessage({ formats, values, resultFormats }: NonNullable<Asked['binding']>): Buffer {
  const list = (codes: number[]): Buffer => Buffer.concat([int16(codes.length), ...codes.map(int16)])
  const bound = values.map((value) => (value === null ? int32(-1) : Buffer.concat([int32(value.length), value])))
  return message('B', '\0\0', list(formats), int16(values.length), ...bound, list(resultFormats))
}

function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeInt16BE(value)
  return bytes
}

import type { Duplex } from 'node:stream'
import { ShivError } from '../../../core/errors.ts'
import type { DependencySetting, OpenDependency } from '../../../engine/dependency-ports.ts'
import { servedByOf } from '../stream/book.ts'
import { deadlinesOf, dial } from '../stream/dial.ts'
import { isDefect } from '../stream/defect.ts'
import { abortWhenClosed } from '../stream/gone.ts'
import { isGuarded } from '../stream/guarded.ts'
import {
  type Connection,
  type OpenOptions,
  openStream,
  type PlayedConnection,
  type ServedSetting,
} from '../stream/open-stream.ts'
import { type CancelKeys, createCancelKeys, DEFAULT_PORT } from './cancel.ts'
import { createCapture } from './capture.ts'
import { converse } from './converse.ts'
import { findInRecording, findOrAsk } from './find-answer.ts'
import { admitClient, readOpening } from './greet-client.ts'
import { createLeg, type Leg } from './leg.ts'
import { ask, logIn, PostgresRefusal, type Session } from './log-in.ts'
import { idleKey, playSession, sessionBegin } from './play.ts'
import { askedOf, playedStatuses } from './played-statuses.ts'
import { isUtf8 } from './requests.ts'
import { errorResponse, message, type ErrorFields } from '../../postgres/messages.ts'
import { createProver, type Prover, roleOf } from './read-only-session.ts'
import { createSqlReader, type ReadSql } from './read-sql.ts'
import { READ_ONLY_STATE } from './refusal.ts'
import { wishesOf } from './session-parameters.ts'
import { ProtocolError } from './splitter.ts'

/** How long a client may take to open its session. */
const OPENING_MS = 60_000

/**
 * Opens a Postgres dependency. Each client gets a session of its own at the upstream, into which shiv logs in. Where only reads may pass, the
 * session is read-only, which is proved before its first query, and every statement is read before it passes.
 */
export function openPostgresDependency(setting: DependencySetting, options: OpenOptions): Promise<OpenDependency> {
  const keys = createCancelKeys()
  const provers = new WeakMap<object, Prover>()
  const proverOf = ({ access }: ServedSetting): Prover => {
    const known = provers.get(access) ?? createProver(access)
    provers.set(access, known)
    return known
  }
  const serve = (connection: Connection): Promise<void> => serveClient(connection, keys, proverOf(connection.setting))
  const play = (connection: PlayedConnection): Promise<void> => playClient(connection, keys, proverOf)
  return openStream({ check: () => undefined, serve, play, apologise, probe }, setting, options)
}

/** Tells a client why it is not served, and the book. */
function createRefusal({ client, setting, book }: Pick<PlayedConnection, 'client' | 'setting' | 'book'>, began: number) {
  return (fields: Omit<ErrorFields, 'severity'>, outcome: 'refused' | 'failed' | 'aborted'): void => {
    client.end(errorResponse({ severity: 'FATAL', ...fields }))
    setTimeout(() => client.destroy(), 1_000).unref()
    const servedBy = outcome === 'refused' ? 'guard' : setting.mode === 'replay' ? 'recording' : servedByOf(setting)
    const told = { summary: 'CONNECT', began, servedBy, outcome, status: fields.code, cause: fields.message }
    book.record(setting, { ...told, sentBytes: 0, receivedBytes: 0 })
  }
}

/** What the client opens its session with, once it is let in. Undefined where it was refused, or wanted a statement cancelled. */
async function admit(
  { client, setting, closed }: Pick<PlayedConnection, 'client' | 'setting' | 'closed'>,
  options: { keys: CancelKeys; gone: AbortSignal; refuse: ReturnType<typeof createRefusal> },
): Promise<Record<string, string> | undefined> {
  const { keys, gone, refuse } = options
  const opened = await readOpening(client, AbortSignal.any([gone, AbortSignal.timeout(OPENING_MS)]))
  if (opened.kind === 'cancel') {
    await keys.cancel(opened.key, deadlinesOf(setting).dialMs, closed)
    client.end()
    return undefined
  }
  if (await admitClient(client, setting.clientPassword, gone)) return opened.parameters
  refuse({ code: '28P01', message: `the password is not the one that shiv gave for ${setting.name}` }, 'refused')
  return undefined
}

async function serveClient(connection: Connection, keys: CancelKeys, prover: Prover): Promise<void> {
  const { client, setting, book, closed, exchange } = connection
  const { writeMs } = deadlinesOf(setting)
  const gone = abortWhenClosed(client, closed)
  const refuse = createRefusal(connection, performance.now())
  try {
    const asked = await admit(connection, { keys, gone: gone.signal, refuse })
    if (asked === undefined) return
    const wishes = wishesOf(asked, isGuarded(setting))
    if ('refused' in wishes) {
      const text = `shiv refused the connection: ${setting.upstream.label} is read-only here, and ${wishes.refused}`
      return refuse({ code: READ_ONLY_STATE, message: text }, 'refused')
    }
    const { session, read } = await openProved(setting, asked, { parameters: wishes.parameters, prover, gone: gone.signal })
    gone.release()
    const { key, forget } = keys.give(session, setting.upstream)
    client.write(sessionBegin([...session.statuses], key))
    const { retired } = connection
    const capture = exchange?.recorder && createCapture(exchange.recorder, session, askedOf(asked))
    const talk = { client, session, setting, book, read, isGuarded: isGuarded(setting), writeMs, retired, capture }
    await converse(talk).finally(forget)
  } catch (error) {
    if (gone.signal.aborted) return
    if (error instanceof ProtocolError) return refuse({ code: error.code, message: error.message }, 'aborted')
    if (isDefect(error)) throw error
    refuse(fieldsOf(setting, error), 'failed')
  } finally {
    gone.release()
  }
}

/** Serves a client from the recording; what it lacks from the server, where the setting says so. */
async function playClient(
  connection: PlayedConnection,
  keys: CancelKeys,
  proverOf: (setting: ServedSetting) => Prover,
): Promise<void> {
  const { client, setting, closed, exchange } = connection
  const gone = abortWhenClosed(client, closed)
  const refuse = createRefusal(connection, performance.now())
  let leg: Leg | undefined
  try {
    const asked = await admit(connection, { keys, gone: gone.signal, refuse })
    if (asked === undefined) return
    const encoding = asked['client_encoding'] ?? 'UTF8'
    if (!isUtf8(encoding.replace(/^'|'$/g, ''))) {
      const text = `the recording of ${setting.name} is in UTF8, and the connection asks for ${encoding}`
      return refuse({ code: '22023', message: text }, 'failed')
    }
    const statuses = await playedStatuses(exchange, asked)
    leg = legOf(setting, asked, proverOf)
    client.write(sessionBegin(statuses, idleKey()))
    const find = leg ? findOrAsk(exchange, setting, leg) : exchange.player && findInRecording(exchange.player, setting)
    if (find) await playSession(connection, find, gone.signal)
  } catch (error) {
    if (gone.signal.aborted) return
    if (error instanceof ProtocolError) return refuse({ code: error.code, message: error.message }, 'aborted')
    if (isDefect(error)) throw error
    refuse(fieldsOf(setting, error), 'failed')
  } finally {
    leg?.close()
    gone.release()
  }
}

function legOf(
  setting: DependencySetting,
  asked: Record<string, string>,
  proverOf: (setting: ServedSetting) => Prover,
): Leg | undefined {
  const { upstream, recording } = setting
  if (upstream === undefined || recording?.recordMissing !== true) return undefined
  const served = { ...setting, upstream }
  return createLeg(setting, (gone) => {
    const wishes = wishesOf(asked, isGuarded(setting))
    if ('refused' in wishes)
      throw new PostgresRefusal(READ_ONLY_STATE, `${upstream.label} is read-only here, and ${wishes.refused}`)
    return openProved(served, asked, { parameters: wishes.parameters, prover: proverOf(served), gone })
  })
}

/** A session that is opened within the deadline of a dial, and proved where only reads may pass. */
async function openProved(
  setting: ServedSetting,
  asked: Record<string, string>,
  { parameters, prover, gone }: { parameters: Record<string, string>; prover: Prover; gone: AbortSignal },
): Promise<{ session: Session; read: ReadSql }> {
  const { dialMs } = deadlinesOf(setting)
  const signal = AbortSignal.any([gone, AbortSignal.timeout(dialMs)])
  const session = await openSession(setting, asked, parameters, signal).catch((error: unknown) => {
    throw signal.aborted && !gone.aborted ? slow(setting, dialMs) : error
  })
  return { session, read: isGuarded(setting) ? await prove(prover, session, gone) : createSqlReader() }
}

/** A session at the upstream, as the setting's user. */
async function openSession(
  setting: ServedSetting,
  client: Record<string, string>,
  parameters: Record<string, string>,
  signal: AbortSignal,
): Promise<Session> {
  const { upstream } = setting
  const known = await upstream.credentials?.(signal)
  const user = known?.user ?? client['user'] ?? 'postgres'
  const named = decodeURIComponent(upstream.url.pathname.slice(1))
  const database = known?.database ?? (named || client['database'] || user)
  const login = { user, database, ...(known && { password: known.password }) }
  const fresh = await dial(upstream, DEFAULT_PORT, deadlinesOf(setting).dialMs, signal)
  try {
    return await logIn(fresh, upstream, login, { ...parameters, ...roleOf(upstream) }, signal)
  } catch (error) {
    fresh.destroy()
    throw error
  }
}

async function prove(prover: Prover, session: Session, signal: AbortSignal): Promise<ReadSql> {
  try {
    return await prover.prove(session, signal)
  } catch (error) {
    session.socket.destroy()
    throw error
  }
}

/** `SELECT 1` in a session of its own. */
async function probe(setting: ServedSetting, signal: AbortSignal): Promise<void> {
  const session = await openSession(setting, {}, { application_name: 'shiv' }, signal)
  try {
    await ask(session.socket, 'select 1', signal)
    session.socket.end(message('X'))
  } finally {
    closeSoon(session.socket)
  }
}

function closeSoon(socket: Duplex): void {
  if (!socket.writableEnded) socket.destroy()
  setTimeout(() => socket.destroy(), 1_000).unref()
}

function slow({ upstream }: ServedSetting, dialMs: number): ShivError {
  return new ShivError(`${upstream.label} did not open a session within ${dialMs / 1_000} s.`, { code: 'DEPENDENCY_UNREACHABLE' })
}

function fieldsOf({ upstream, name }: DependencySetting, error: unknown): Omit<ErrorFields, 'severity'> {
  const place = upstream?.label ?? `the recording of ${name}`
  if (error instanceof PostgresRefusal) {
    return { code: error.code, message: `${place} refused shiv's session: ${error.message}` }
  }
  if (error instanceof ShivError) return { code: '08006', message: error.message, ...(error.hint && { hint: error.hint }) }
  return { code: '08006', message: `${place} cannot be used: ${(error as Error).message}` }
}

/** For a connection that a defect of shiv ended. */
function apologise(error: Error): Buffer {
  return errorResponse({ severity: 'FATAL', code: 'XX000', message: `shiv failed: ${error.message}` })
}

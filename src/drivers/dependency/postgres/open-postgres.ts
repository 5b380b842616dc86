import type { Duplex } from 'node:stream'
import { ShivError } from '../../../core/errors.ts'
import type { DependencySetting, OpenDependency } from '../../../engine/dependency-ports.ts'
import { servedByOf } from '../stream/book.ts'
import { deadlinesOf, dial } from '../stream/dial.ts'
import { abortWhenClosed } from '../stream/gone.ts'
import { isGuarded } from '../stream/guarded.ts'
import { type Connection, type OpenOptions, openStream, type ServedSetting } from '../stream/open-stream.ts'
import { type CancelKeys, createCancelKeys, DEFAULT_PORT } from './cancel.ts'
import { converse } from './converse.ts'
import { admitClient, readOpening } from './greet-client.ts'
import { ask, logIn, PostgresRefusal, type Session } from './log-in.ts'
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
  return openStream({ check: () => undefined, serve, probe }, setting, options)
}

async function serveClient(connection: Connection, keys: CancelKeys, prover: Prover): Promise<void> {
  const { client, setting, book, closed } = connection
  const began = performance.now()
  const { dialMs, writeMs } = deadlinesOf(setting)
  const gone = abortWhenClosed(client, closed)
  const refuse = (fields: Omit<ErrorFields, 'severity'>, outcome: 'refused' | 'failed' | 'aborted'): void => {
    client.end(errorResponse({ severity: 'FATAL', ...fields }))
    setTimeout(() => client.destroy(), 1_000).unref()
    const servedBy = outcome === 'refused' ? 'guard' : servedByOf(setting)
    const told = { summary: 'CONNECT', began, servedBy, outcome, status: fields.code, cause: fields.message }
    book.record(setting, { ...told, sentBytes: 0, receivedBytes: 0 })
  }
  try {
    const opened = await readOpening(client, AbortSignal.any([gone.signal, AbortSignal.timeout(OPENING_MS)]))
    if (opened.kind === 'cancel') {
      await keys.cancel(opened.key, dialMs, closed)
      return void client.end()
    }
    if (!(await admitClient(client, setting.clientPassword, gone.signal))) {
      return refuse({ code: '28P01', message: `the password is not the one that shiv gave for ${setting.name}` }, 'refused')
    }
    const wishes = wishesOf(opened.parameters, isGuarded(setting))
    if ('refused' in wishes) {
      const text = `shiv refused the connection: ${setting.upstream.label} is read-only here, and ${wishes.refused}`
      return refuse({ code: READ_ONLY_STATE, message: text }, 'refused')
    }
    const signal = AbortSignal.any([gone.signal, AbortSignal.timeout(dialMs)])
    const session = await openSession(setting, opened.parameters, wishes.parameters, signal).catch((error: unknown) => {
      throw signal.aborted && !gone.signal.aborted ? slow(setting, dialMs) : error
    })
    const read = isGuarded(setting) ? await prove(prover, session, gone.signal) : createSqlReader()
    gone.release()
    const { key, forget } = keys.give(session, setting.upstream)
    client.write(Buffer.concat([...reports(session), message('K', key), message('Z', 'I')]))
    const { retired } = connection
    await converse({ client, session, setting, book, read, isGuarded: isGuarded(setting), writeMs, retired }).finally(forget)
  } catch (error) {
    if (gone.signal.aborted) return
    if (error instanceof ProtocolError) return refuse({ code: error.code, message: error.message }, 'aborted')
    refuse(fieldsOf(setting, error), 'failed')
  } finally {
    gone.release()
  }
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

function reports({ statuses }: Session): Buffer[] {
  return [...statuses].map(([name, value]) => message('S', `${name}\0${value}\0`))
}

function slow({ upstream }: ServedSetting, dialMs: number): ShivError {
  return new ShivError(`${upstream.label} did not open a session within ${dialMs / 1_000} s.`, { code: 'DEPENDENCY_UNREACHABLE' })
}

function fieldsOf({ upstream }: ServedSetting, error: unknown): Omit<ErrorFields, 'severity'> {
  if (error instanceof PostgresRefusal) {
    return { code: error.code, message: `${upstream.label} refused shiv's session: ${error.message}` }
  }
  if (error instanceof ShivError) return { code: '08006', message: error.message, ...(error.hint && { hint: error.hint }) }
  return { code: '08006', message: `${upstream.label} cannot be used: ${(error as Error).message}` }
}

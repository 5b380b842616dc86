import type { Duplex } from 'node:stream'
import type { DependencySetting, OpenDependency } from '../../../engine/dependency-ports.ts'
import { servedByOf } from '../stream/book.ts'
import { deadlinesOf, dial } from '../stream/dial.ts'
import { abortWhenClosed } from '../stream/gone.ts'
import { isGuarded } from '../stream/guarded.ts'
import {
  type Connection,
  type OpenOptions,
  openStream,
  type PlayedConnection,
  type ServedSetting,
} from '../stream/open-stream.ts'
import { isDefect } from '../stream/defect.ts'
import { secure } from '../stream/secure.ts'
import { type CommandTable, readCommandTable } from './commands.ts'
import { converse } from './converse.ts'
import { createLeg } from './leg.ts'
import { playConnection } from './play.ts'
import { RespError } from './read-resp.ts'
import { RedisProtocolError } from './split-commands.ts'
import { ask, errorLine } from '../../redis/resp.ts'

const DEFAULT_PORT = 6379
/** How long the server's word on its commands holds. */
const FRESH_MS = 60_000

interface KnownTable {
  table: CommandTable
  until: number
}

/**
 * Opens a Redis dependency. Each client gets a connection of its own to the upstream, on which shiv logs in. Where only reads may pass, the
 * server's own table of commands says which those are.
 */
export function openRedisDependency(setting: DependencySetting, options: OpenOptions): Promise<OpenDependency> {
  const tables = new Map<string, KnownTable>()
  const serve = (connection: Connection): Promise<void> => serveClient(connection, tables)
  const play = (connection: PlayedConnection): Promise<void> => playClient(connection, tables)
  return openStream({ check: () => undefined, serve, play, apologise, probe }, setting, options)
}

async function serveClient(connection: Connection, tables: Map<string, KnownTable>): Promise<void> {
  const { client, setting, book, closed, retired, exchange } = connection
  const began = performance.now()
  const { dialMs, writeMs } = deadlinesOf(setting)
  const gone = abortWhenClosed(client, closed)
  try {
    const signal = AbortSignal.any([gone.signal, AbortSignal.timeout(dialMs)])
    const upstream = await openConnection(setting, signal)
    const table = isGuarded(setting) ? await tableOf(upstream, setting, tables, signal) : undefined
    gone.release()
    await converse({ client, upstream, setting, book, table, writeMs, retired, recorder: exchange?.recorder })
  } catch (error) {
    if (gone.signal.aborted) return
    if (isDefect(error)) throw error
    refuse(connection, began, error as Error)
  } finally {
    gone.release()
  }
}

/** Serves a client from the recording; what it lacks from the server, where the setting says so. */
async function playClient(connection: PlayedConnection, tables: Map<string, KnownTable>): Promise<void> {
  const { client, setting, closed, exchange } = connection
  const { upstream, recording } = setting
  const gone = abortWhenClosed(client, closed)
  const began = performance.now()
  const served = upstream && { ...setting, upstream }
  const open = async (from: ServedSetting) => {
    const signal = AbortSignal.any([gone.signal, AbortSignal.timeout(deadlinesOf(setting).dialMs)])
    const socket = await openConnection(from, signal)
    return { socket, table: isGuarded(setting) ? await tableOf(socket, from, tables, signal) : undefined }
  }
  const leg = served && recording?.recordMissing === true ? createLeg(setting, exchange.recorder, () => open(served)) : undefined
  try {
    await playConnection(connection, leg)
  } catch (error) {
    if (gone.signal.aborted || client.destroyed) return
    if (isDefect(error)) throw error
    refuse(connection, began, error as Error)
  } finally {
    leg?.close()
    gone.release()
  }
}

/** As Redis itself does with a client that it cannot serve. */
function refuse(
  { client, setting, book }: Pick<PlayedConnection, 'client' | 'setting' | 'book'>,
  began: number,
  error: Error,
): void {
  const isProtocol = error instanceof RespError || error instanceof RedisProtocolError
  const place = setting.upstream?.label ?? `the recording of ${setting.name}`
  client.end(errorLine(isProtocol ? `ERR Protocol error: ${error.message}` : `ERR ${place} cannot be used: ${error.message}`))
  setTimeout(() => client.destroy(), 1_000).unref()
  const servedBy = setting.mode === 'replay' ? 'recording' : servedByOf(setting)
  const outcome = isProtocol ? 'aborted' : 'failed'
  book.record(setting, { summary: 'CONNECT', began, servedBy, outcome, cause: error.message, sentBytes: 0, receivedBytes: 0 })
}

/** For a connection that a defect of shiv ended. */
function apologise(error: Error): Buffer {
  return errorLine(`ERR shiv failed: ${error.message}`)
}

/** A connection that is logged in, in the database that the URL names. */
async function openConnection(setting: ServedSetting, signal: AbortSignal): Promise<Duplex> {
  const { upstream } = setting
  const known = await upstream.credentials?.(signal)
  const fresh = await dial(upstream, DEFAULT_PORT, deadlinesOf(setting).dialMs, signal)
  try {
    const socket = upstream.url.protocol === 'rediss:' ? await secure(fresh, upstream, 'name', signal) : fresh
    socket.on('error', () => undefined) // told to whoever reads or writes
    if (known && known.password !== '') {
      const user = known.user === '' || known.user === 'default' ? [] : [known.user]
      await ask(socket, ['AUTH', ...user, known.password], signal)
    }
    const database = known?.database ?? upstream.url.pathname.slice(1)
    if (/^\d+$/.test(database) && database !== '0') await ask(socket, ['SELECT', database], signal)
    return socket
  } catch (error) {
    fresh.destroy()
    throw error
  }
}

async function tableOf(
  upstream: Duplex,
  { upstream: { url, label } }: ServedSetting,
  tables: Map<string, KnownTable>,
  signal: AbortSignal,
): Promise<CommandTable> {
  const place = `${url.href} ${label}`
  const known = tables.get(place)
  if (known && known.until > performance.now()) return known.table
  try {
    const table = readCommandTable(await ask(upstream, ['COMMAND'], signal))
    if (!table.has('get')) throw new Error('its server does not say which commands it has')
    tables.set(place, { table, until: performance.now() + FRESH_MS })
    return table
  } catch (error) {
    upstream.destroy()
    throw error
  }
}

async function probe(setting: ServedSetting, signal: AbortSignal): Promise<void> {
  const socket = await openConnection(setting, signal)
  try {
    await ask(socket, ['PING'], signal)
  } finally {
    socket.destroy()
  }
}

import type { Duplex } from 'node:stream'
import type { DependencySetting, OpenDependency } from '../../../engine/dependency-ports.ts'
import { servedByOf } from '../stream/book.ts'
import { deadlinesOf, dial } from '../stream/dial.ts'
import { abortWhenClosed } from '../stream/gone.ts'
import { isGuarded } from '../stream/guarded.ts'
import { type Connection, type OpenOptions, openStream, type ServedSetting } from '../stream/open-stream.ts'
import { secure } from '../stream/secure.ts'
import { type CommandTable, readCommandTable } from './commands.ts'
import { converse } from './converse.ts'
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
  return openStream({ check: () => undefined, serve: (connection) => serveClient(connection, tables), probe }, setting, options)
}

async function serveClient(connection: Connection, tables: Map<string, KnownTable>): Promise<void> {
  const { client, setting, book, closed, retired } = connection
  const began = performance.now()
  const { dialMs, writeMs } = deadlinesOf(setting)
  const gone = abortWhenClosed(client, closed)
  try {
    const signal = AbortSignal.any([gone.signal, AbortSignal.timeout(dialMs)])
    const upstream = await openConnection(setting, signal)
    const table = isGuarded(setting) ? await tableOf(upstream, setting, tables, signal) : undefined
    gone.release()
    await converse({ client, upstream, setting, book, table, writeMs, retired })
  } catch (error) {
    if (gone.signal.aborted) return
    const cause = (error as Error).message
    // As Redis itself does with a client that it cannot serve.
    client.end(errorLine(`ERR ${setting.upstream.label} cannot be used: ${cause}`))
    setTimeout(() => client.destroy(), 1_000).unref()
    const told = { summary: 'CONNECT', began, servedBy: servedByOf(setting), outcome: 'failed' as const, cause }
    book.record(setting, { ...told, sentBytes: 0, receivedBytes: 0 })
  } finally {
    gone.release()
  }
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

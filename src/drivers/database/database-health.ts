import type { DatabasePlan } from '../../plan/types.ts'
import { probeTcp } from '../process/health.ts'
import type { HealthCheck, ProbeResult } from '../process/process-spec.ts'
import type { Credentials } from './credentials.ts'
import { PostgresError, queryPostgres } from './postgres-client.ts'
import { askRedis } from './redis-client.ts'

const TIMEOUT_MS = 2_000
const STARTUP_MS = 60_000
const HOST = '127.0.0.1'
/** SQLSTATE invalid_catalog_name: the server answers, the database is yet to be made. */
const NO_SUCH_DATABASE = '3D000'

/** Health by the server's own protocol: a login and a statement, not an open port. */
export function databaseHealth(database: DatabasePlan, credentials: Credentials, port: number): HealthCheck {
  const kind = database.preset.process?.health.kind ?? 'tcp'
  const ask: Record<typeof kind, (signal: AbortSignal) => Promise<unknown>> = {
    postgres: (signal) => queryPostgres(postgresAddress(credentials, port), 'SELECT 1', signal),
    redis: async (signal) => {
      const answer = await askRedis({ host: HOST, port, password: credentials.password }, ['PING'], signal)
      if (answer !== 'PONG') throw new Error(`it answers PING with ${answer}`)
    },
    tcp: async (signal) => {
      const answer = await probeTcp(port, TIMEOUT_MS, signal)
      if (!answer.ok) throw new Error(answer.reason)
    },
  }
  const probe = async (signal: AbortSignal): Promise<ProbeResult> => {
    try {
      await ask[kind](AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]))
      return { ok: true }
    } catch (error) {
      if (error instanceof PostgresError && error.code === NO_SUCH_DATABASE) return { ok: true }
      const { code, message } = error as NodeJS.ErrnoException
      return { ok: false, reason: code === 'ECONNREFUSED' ? `nothing listens on port ${port}` : message }
    }
  }
  return { describe: `${kind} on port ${port}`, port, probe, startupMs: STARTUP_MS, periodMs: 5_000, failureThreshold: 3 }
}

/** Creates the named database where the preset's init did not. */
export async function ensureNamedDatabase(
  database: DatabasePlan,
  credentials: Credentials,
  port: number,
  signal: AbortSignal,
): Promise<void> {
  if (database.preset.process?.health.kind !== 'postgres' || credentials.name === '') return
  const address = postgresAddress(credentials, port)
  try {
    await queryPostgres(address, 'SELECT 1', signal)
  } catch (error) {
    if (!(error instanceof PostgresError) || error.code !== NO_SUCH_DATABASE) throw error
    const quoted = `"${credentials.name.replaceAll('"', '""')}"`
    await queryPostgres({ ...address, database: 'postgres' }, `CREATE DATABASE ${quoted}`, signal)
  }
}

/** What the running server says it is; undefined when its protocol has no such question. */
export async function askVersion(
  database: DatabasePlan,
  credentials: Credentials,
  port: number,
  signal: AbortSignal,
): Promise<string | undefined> {
  const kind = database.preset.process?.health.kind
  if (kind === 'postgres') {
    const rows = await queryPostgres(postgresAddress(credentials, port), 'SHOW server_version', signal)
    return rows[0]?.[0]?.split(' ')[0]
  }
  if (kind === 'redis') {
    const info = await askRedis({ host: HOST, port, password: credentials.password }, ['INFO', 'server'], signal)
    return /^(?:valkey|redis)_version:(\S+)/m.exec(info)?.[1]
  }
  return undefined
}

function postgresAddress(credentials: Credentials, port: number) {
  return { host: HOST, port, user: credentials.user, password: credentials.password, database: credentials.name || 'postgres' }
}

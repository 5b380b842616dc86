import type { DependencySetting, Upstream } from '../../../engine/dependency-ports.ts'
import { FUNCTIONS_QUERY, type FunctionTable, readFunctions } from './functions.ts'
import { ask, PostgresRefusal, type Session } from './log-in.ts'
import { isPlainEncoding } from './parameters.ts'
import { createSqlReader, type ReadSql } from './read-sql.ts'
import { rulesOf } from './judge.ts'

/** How long the catalogue's word on functions holds. */
const FRESH_MS = 60_000

const SETTINGS = ['default_transaction_read_only', 'transaction_read_only', 'standard_conforming_strings', 'client_encoding']
const SETTINGS_QUERY = `select ${SETTINGS.map((name) => `pg_catalog.current_setting('${name}')`).join(', ')}`

/** Proves sessions of one setting read-only, and reads SQL by what the server itself says of its functions. */
export interface Prover {
  /** Asks the session before its client may. Throws PostgresRefusal when it is not read-only. */
  prove(session: Session, signal: AbortSignal): Promise<ReadSql>
}

export function createProver(access: DependencySetting['access']): Prover {
  let reader: { read: ReadSql; until: number } | undefined
  return {
    async prove({ socket }, signal) {
      const known = reader !== undefined && reader.until > performance.now() ? reader.read : undefined
      const [settings, functions] = await ask(socket, known ? SETTINGS_QUERY : `${SETTINGS_QUERY}; ${FUNCTIONS_QUERY}`, signal)
      refuseWritable(settings?.[0] ?? [])
      if (known) return known
      const table: FunctionTable = readFunctions(functions ?? [])
      reader = { read: createSqlReader(rulesOf(table, access.allow)), until: performance.now() + FRESH_MS }
      return reader.read
    },
  }
}

function refuseWritable([byDefault, now, strings, encoding]: (string | null)[]): void {
  if (byDefault !== 'on' || now !== 'on' || strings !== 'on') {
    throw new PostgresRefusal(
      '25006',
      'it did not make the session read-only, as a pooler in between might; shiv does not use it',
    )
  }
  if (!isPlainEncoding(encoding ?? '')) {
    throw new PostgresRefusal('22021', `text in ${encoding} cannot be read safely; set client_encoding=UTF8`)
  }
}

/** Whether a setting that the server reports leads out of what was proved. */
export function leadsOut(name: string, value: string): boolean {
  if (name === 'default_transaction_read_only' || name === 'standard_conforming_strings') return value !== 'on'
  return name === 'client_encoding' && !isPlainEncoding(value)
}

/** The role that the URL names, which the session takes on: the third layer beside mode and parser. */
export function roleOf({ url }: Upstream): Record<string, string> {
  const role = url.searchParams.get('role')
  return role === null ? {} : { role }
}

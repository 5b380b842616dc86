import { randomBytes } from 'node:crypto'
import type { DependencySetting } from '../../../engine/dependency-ports.ts'
import type { Refusal } from './judge.ts'
import { type ErrorFields, message } from '../../postgres/messages.ts'

/** SQLSTATE read_only_sql_transaction: what Postgres itself says of a write in a read-only transaction. */
export const READ_ONLY_STATE = '25006'

/** What stands in for a statement that did not pass begins with it. */
export const MARK = 'shiv_refused_'

/** What the client is told of a statement that did not pass. */
export function refusalFields(setting: DependencySetting, summary: string, refusal: Refusal): ErrorFields {
  const { name, upstream } = setting
  const how = refusal.function ? ` If ${refusal.function} only reads, declare it STABLE there.` : ''
  return {
    severity: 'ERROR',
    code: READ_ONLY_STATE,
    message: `shiv refused ${summary}: ${upstream?.label ?? name} is read-only here, and ${refusal.why}`,
    hint: `To let it through, write read_only: false under ${name} in service.yaml.${how}`,
  }
}

/**
 * Stands in for statements that do not pass. The server gets one that it cannot parse, so that it is the server that fails the transaction, skips
 * to the next Sync and says when it is ready, each at its place in the pipeline; its error is then replaced by ours.
 */
export interface Decoys {
  query(fields: ErrorFields): Buffer
  parse(fields: ErrorFields): Buffer
  /** The error in whose place an error of the server stands. */
  claim(serverMessage: string): ErrorFields | undefined
  /** The server is ready for the next command: what it skipped will not be answered. */
  forget(): void
}

export function createDecoys(): Decoys {
  const mark = `${MARK}${randomBytes(6).toString('hex')}_`
  const pending = new Map<string, ErrorFields>()
  const pattern = new RegExp(`${mark}\\d+`)
  let count = 0
  const next = (fields: ErrorFields): string => {
    count += 1
    pending.set(`${mark}${count}`, fields)
    return `${mark}${count} /* in place of a statement that shiv did not let through */`
  }
  return {
    query: (fields) => message('Q', `${next(fields)}\0`),
    parse: (fields) => message('P', `\0${next(fields)}\0\0\0`),
    claim(serverMessage) {
      if (pending.size === 0) return undefined
      const found = pattern.exec(serverMessage)?.[0] ?? ''
      const fields = pending.get(found)
      pending.delete(found)
      return fields
    },
    forget() {
      if (pending.size > 0) pending.clear()
    },
  }
}

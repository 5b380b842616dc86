import type { ServedBy } from '../../../engine/dependency-ports.ts'
import type { Unmatched } from '../exchange.ts'
import type { CommandFrame, CommandRequest } from '../recording/command-exchange.ts'
import type { Binding } from './requests.ts'
import type { Statement, Status } from './transaction.ts'

/** What a client asks, and all that a server would have to be told of it. */
export interface Asked {
  request: CommandRequest
  statements: Statement[]
  status: Status
  /** Of a prepared statement: its parameters' types as Parse had them, and what was bound. */
  types?: Buffer
  binding?: Binding
}

export interface Found {
  frames: CommandFrame[]
  servedBy: ServedBy
  /** Why it was refused. */
  why?: string
}

/** The answer to what is asked, or why there is none. Rejects where the recording cannot be read, or the server not be reached. */
export type FindAnswer = (asked: Asked, signal: AbortSignal) => Promise<Found | { unmatched: Unmatched }>

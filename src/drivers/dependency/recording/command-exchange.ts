import type { Unmatched } from '../exchange.ts'

/** Bytes of a protocol; `name` (a column's, a field's) is for redaction only and is not recorded. */
export interface CommandValue {
  name?: string
  value: Buffer | null
}

/** One part of an answer in its protocol, taken apart so far that its values can be replaced: a row and its columns, a reply and its elements. */
export interface CommandFrame {
  /** The protocol's own word, for the code that puts the answer together again: `DataRow`, `bulk`, `error`. */
  kind: string
  values: CommandValue[]
}

export interface CommandRequest {
  protocol: string
  /** What is asked without its values: a statement with `$1`, a command's name in upper case. */
  command: string
  /** How it is asked, where the same command has another answer asked otherwise: `simple`, `describe`, `binary`, `resp3`. */
  way?: string
  /** Compared by their hash; never written. */
  parameters: CommandValue[]
}

/** Keeps exchanges of a protocol that asks and answers, such as SQL. Redaction is its own business. */
export interface CommandRecorder {
  /** An exchange that is over; `once` where how often it is asked says nothing, as what a connection begins with. Never throws. */
  record(request: CommandRequest, response: CommandFrame[], options?: { once?: boolean }): void
  /** One that cannot be played, and why: who asks for it is told. Never throws. */
  omit(request: CommandRequest, why: string): void
}

export type CommandAnswer = { matched: CommandFrame[] } | { unmatched: Unmatched }

/** Answers from a recording. */
export interface CommandPlayer {
  /** Rejects with a ShivError if the recording became unreadable. */
  answer(request: CommandRequest): Promise<CommandAnswer>
  /** The first answer that was given to anything asked in this way. */
  first(protocol: string, way: string): Promise<CommandFrame[] | undefined>
}

export interface CommandExchange {
  recorder?: CommandRecorder
  player?: CommandPlayer
  /** Resolves when everything that ended is on disk. */
  close(): Promise<void>
}

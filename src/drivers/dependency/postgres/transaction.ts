import type { CommandFrame } from '../recording/command-exchange.ts'
import { isSign, wordOf } from './judge.ts'
import { lex, type Token, Unreadable } from './lex.ts'
import { splitStatements } from './read-sql.ts'

/** Of a session: idle, in a transaction, in one that failed. */
export type Status = 'I' | 'T' | 'E'

/** What a statement does to the transaction; undefined: nothing. */
export type Control = 'begin' | 'commit' | 'rollback' | 'chain' | 'prepare' | 'savepoint' | 'release' | 'to savepoint'

export interface Statement {
  control?: Control
  /** Its first word, in lower case. */
  verb: string
  /** The tag that the server gives a control. */
  tag: string
}

/** The statements of a text. Of one that is not read as SQL, one statement without a verb. */
export function statementsOf(sql: string): Statement[] {
  let tokens: Token[]
  try {
    tokens = lex(Buffer.from(sql).toString('latin1'))
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error
    return [{ verb: '', tag: '' }]
  }
  return splitStatements(tokens).map(readStatement)
}

function readStatement(tokens: readonly Token[]): Statement {
  const words = tokens.map((token) => (isSign(token, '(') ? '(' : wordOf(token)))
  const [verb = '', second = ''] = words
  const has = (...wanted: string[]): boolean => words.some((_, at) => wanted.every((word, offset) => words[at + offset] === word))
  const chain = has('and', 'chain') && !has('and', 'no', 'chain')
  switch (verb) {
    case 'begin':
      return { control: 'begin', verb, tag: 'BEGIN' }
    case 'start':
      return { control: 'begin', verb, tag: 'START TRANSACTION' }
    case 'commit':
    case 'end':
      if (second === 'prepared') return { verb, tag: '' }
      return { control: chain ? 'chain' : 'commit', verb, tag: 'COMMIT' }
    case 'rollback':
    case 'abort':
      if (second === 'prepared') return { verb, tag: '' }
      if (words.includes('to')) return { control: 'to savepoint', verb, tag: 'ROLLBACK' }
      return { control: chain ? 'chain' : 'rollback', verb, tag: 'ROLLBACK' }
    case 'savepoint':
      return { control: 'savepoint', verb, tag: 'SAVEPOINT' }
    case 'release':
      return { control: 'release', verb, tag: 'RELEASE' }
    case 'prepare':
      return second === 'transaction' ? { control: 'prepare', verb, tag: 'PREPARE TRANSACTION' } : { verb, tag: '' }
    default:
      return { verb, tag: '' }
  }
}

/** Whether a statement is heard in a transaction that failed. */
export function leavesFailed({ control }: Statement): boolean {
  return control !== undefined && control !== 'begin' && control !== 'savepoint' && control !== 'release'
}

/** The status after an answer, given the statements that it answers in their order. */
export function statusAfter(before: Status, statements: readonly Statement[], answer: readonly CommandFrame[]): Status {
  let status = before
  let at = 0
  for (const { kind } of answer) {
    if (kind === 'ErrorResponse') return status === 'I' ? 'I' : 'E'
    if (kind !== 'CommandComplete' && kind !== 'EmptyQueryResponse') continue
    const control = statements[at]?.control
    at += 1
    if (control === 'begin' || control === 'to savepoint') status = 'T'
    else if (control === 'commit' || control === 'rollback' || control === 'prepare') status = 'I'
  }
  return status
}

/**
 * The server's answer to a statement that only leads a transaction, from the status alone: a recording need not have it. Undefined for any other
 * statement. Throws nothing.
 */
export function answerControl(status: Status, { control, tag }: Statement): CommandFrame[] | undefined {
  if (control === undefined || control === 'prepare') return undefined
  const done = (said: string): CommandFrame => frame('CommandComplete', said)
  if (control === 'begin')
    return status === 'I' ? [done(tag)] : [notice('25001', 'there is already a transaction in progress'), done(tag)]
  if (status === 'I') {
    if (control === 'commit' || control === 'rollback') return [notice('25P01', 'there is no transaction in progress'), done(tag)]
    return [failure('25P01', `${tag} can only be used in transaction blocks`)]
  }
  return [done(status === 'E' && tag === 'COMMIT' ? 'ROLLBACK' : tag)]
}

/** What a server says to everything else in a transaction that failed. */
export function isAborted(): CommandFrame {
  return failure('25P02', 'current transaction is aborted, commands ignored until end of transaction block')
}

export function failure(code: string, said: string, more: { detail?: string; hint?: string } = {}): CommandFrame {
  const { detail, hint } = more
  const fields = ['S', 'ERROR', 'V', 'ERROR', 'C', code, 'M', said]
  return frame('ErrorResponse', ...fields, ...(detail ? ['D', detail] : []), ...(hint ? ['H', hint] : []))
}

function notice(code: string, said: string): CommandFrame {
  return frame('NoticeResponse', 'S', 'WARNING', 'V', 'WARNING', 'C', code, 'M', said)
}

function frame(kind: string, ...values: string[]): CommandFrame {
  return { kind, values: values.map((value) => ({ value: Buffer.from(value) })) }
}

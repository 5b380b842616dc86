import { isSign, judge, type Refusal, type Rules, wordOf } from './judge.ts'
import { lex, type Token, Unreadable } from './lex.ts'

/** What is known of the SQL of one message. */
export interface Reading {
  /** Verb and first table of its first statement, without literals. */
  summary: string
  /** Why it may not pass where only reads may. */
  refusal?: Refusal
}

/** Reads the SQL of a message: one or more statements, a character a byte. `keep` says that the same text may well come again. */
export type ReadSql = (sql: string, keep: boolean) => Reading

/** As many texts as are remembered. */
const KEPT = 1_000
const KEPT_LENGTH = 4_096

/** With `rules` every statement is judged; without, everything passes. */
export function createSqlReader(rules?: Rules): ReadSql {
  const kept = new Map<string, Reading>()
  return (sql, keep) => {
    const known = keep ? kept.get(sql) : undefined
    if (known !== undefined) return known
    const reading = read(sql, rules)
    if (keep && sql.length <= KEPT_LENGTH) {
      if (kept.size >= KEPT) kept.clear()
      kept.set(sql, reading)
    }
    return reading
  }
}

function read(sql: string, rules: Rules | undefined): Reading {
  let tokens: Token[]
  try {
    tokens = lex(sql)
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error
    return { summary: 'unreadable SQL', ...(rules && { refusal: { why: error.message } }) }
  }
  const statements = splitStatements(tokens)
  const [first = [], ...others] = statements
  const reading: Reading = { summary: summarise(first) + (others.length > 0 ? ` and ${others.length} more` : '') }
  if (rules === undefined) return reading
  for (const statement of statements) {
    const refusal = judge(statement, rules)
    if (refusal) return { summary: statements.length > 1 ? summarise(statement) : reading.summary, refusal }
  }
  return reading
}

/** Statements by their semicolons, without the empty ones. */
export function splitStatements(tokens: Token[]): Token[][] {
  const first = tokens.findIndex((token) => isSign(token, ';'))
  if (first === tokens.length - 1 && first > 0) tokens.pop()
  if (first < 0 || first === tokens.length) return tokens.length > 0 ? [tokens] : []
  const statements: Token[][] = []
  let from = 0
  for (let at = 0; at <= tokens.length; at += 1) {
    if (at < tokens.length && !isSign(tokens[at], ';')) continue
    if (at > from) statements.push(tokens.slice(from, at))
    from = at + 1
  }
  return statements
}

const HIGH = /[\x80-\xff]/
const BEFORE_TABLE = new Set(['from', 'into', 'update', 'join', 'table', 'copy', 'view', 'index', 'truncate', 'call', 'lock'])
/** Two words say more than one. */
const NOUNED = new Set(['create', 'alter', 'drop', 'set', 'reset', 'grant', 'revoke', 'insert', 'delete', 'refresh', 'comment'])

function summarise(tokens: readonly Token[]): string {
  let at = 0
  while (isSign(tokens[at], '(')) at += 1
  const verb = wordOf(tokens[at])
  if (verb === '') return tokens.length === 0 ? 'empty' : 'SQL'
  const noun = NOUNED.has(verb) ? wordOf(tokens[at + 1]) : ''
  // Names of settings are in lower case.
  const isSetting = verb === 'set' || verb === 'reset'
  const said = noun === '' ? upper(verb) : `${upper(verb)} ${isSetting ? noun : upper(noun)}`
  const table = tableOf(tokens, at)
  if (table === '') return said
  return verb === 'select' || verb === 'with' ? `${said} … FROM ${table}` : `${said} ${table}`
}

const uppers = new Map<string, string>()

function upper(word: string): string {
  const known = uppers.get(word)
  if (known !== undefined) return known
  const text = word.toUpperCase()
  if (uppers.size < KEPT) uppers.set(word, text)
  return text
}

function tableOf(tokens: readonly Token[], from: number): string {
  for (let at = from; at + 1 < tokens.length; at += 1) {
    if (!BEFORE_TABLE.has(wordOf(tokens[at])) || !isName(tokens[at + 1])) continue
    let name = tokens[at + 1]!.text
    for (let part = at + 2; isSign(tokens[part], '.') && isName(tokens[part + 1]); part += 2) name += `.${tokens[part + 1]!.text}`
    return HIGH.test(name) ? Buffer.from(name, 'latin1').toString('utf8') : name
  }
  return ''
}

function isName(token: Token | undefined): boolean {
  return token?.kind === 'word' || token?.kind === 'name'
}

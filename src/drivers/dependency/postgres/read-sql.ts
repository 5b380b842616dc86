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
  const statements = split(tokens)
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
function split(tokens: Token[]): Token[][] {
  if (!tokens.some((token) => isSign(token, ';'))) return tokens.length > 0 ? [tokens] : []
  const statements: Token[][] = []
  let from = 0
  for (let at = 0; at <= tokens.length; at += 1) {
    if (at < tokens.length && !isSign(tokens[at], ';')) continue
    if (at > from) statements.push(tokens.slice(from, at))
    from = at + 1
  }
  return statements
}

const BEFORE_TABLE = new Set(['from', 'into', 'update', 'join', 'table', 'copy', 'view', 'index', 'truncate', 'call', 'lock'])
/** Two words say more than one. */
const NOUNED = new Set(['create', 'alter', 'drop', 'set', 'reset', 'grant', 'revoke', 'insert', 'delete', 'refresh', 'comment'])

function summarise(tokens: readonly Token[]): string {
  let at = 0
  while (isSign(tokens[at], '(')) at += 1
  const verb = wordOf(tokens[at])
  if (verb === '') return tokens.length === 0 ? 'empty' : 'SQL'
  const noun = NOUNED.has(verb) ? wordOf(tokens[at + 1]) : ''
  const head = [verb, noun].filter((word) => word !== '').join(' ')
  const said = verb === 'set' || verb === 'reset' ? `${verb.toUpperCase()} ${noun}` : head.toUpperCase()
  const table = tableOf(tokens, at)
  if (table === '') return said
  if (verb === 'select' || verb === 'with') return `${said} … FROM ${table}`
  return `${said} ${table}`
}

function tableOf(tokens: readonly Token[], from: number): string {
  for (let at = from; at + 1 < tokens.length; at += 1) {
    if (!BEFORE_TABLE.has(wordOf(tokens[at])) || !isName(tokens[at + 1])) continue
    let name = tokens[at + 1]!.text
    for (let part = at + 2; isSign(tokens[part], '.') && isName(tokens[part + 1]); part += 2) name += `.${tokens[part + 1]!.text}`
    return Buffer.from(name, 'latin1').toString('utf8')
  }
  return ''
}

function isName(token: Token | undefined): boolean {
  return token?.kind === 'word' || token?.kind === 'name'
}

import type { Allowance } from '../../../plan/remote.ts'
import { type FunctionTable, isHarmful } from './functions.ts'
import type { Token } from './lex.ts'
import { isPlainEncoding, mayChange } from './parameters.ts'

/** Why a statement may not pass. */
export interface Refusal {
  /** In the user's words, after "because": `UPDATE changes data`. */
  why: string
  /** A function that may be allowed by name. */
  function?: string
}

/** What the judgement goes by beside the statement. */
export interface Rules {
  functions: FunctionTable
  /** By `name` or `schema.name`, lower case. */
  allowed: ReadonlySet<string>
}

export function rulesOf(functions: FunctionTable, allow: Allowance[]): Rules {
  return { functions, allowed: new Set(allow.map(({ path }) => path.toLowerCase())) }
}

/** Begins a statement that only reads. */
const READS = new Set(['select', 'values', 'table', 'with'])
const WRITES = new Set(['insert', 'update', 'delete', 'merge'])
/** Change nothing but the session, whatever follows. */
const HARMLESS = new Set(
  'show savepoint release fetch move close deallocate listen unlisten discard execute end abort'.split(' '),
)
const MODES = new Set(
  `work transaction isolation level read only committed uncommitted repeatable serializable not deferrable`.split(' '),
)

/** Why a statement is not a mere read, or undefined. A statement of no tokens passes. */
export function judge(tokens: readonly Token[], rules: Rules): Refusal | undefined {
  return judgeForm(tokens) ?? judgeCalls(tokens, rules)
}

function judgeForm(tokens: readonly Token[]): Refusal | undefined {
  const first = firstWord(tokens)
  if (first === undefined) return tokens.length === 0 ? undefined : { why: 'what it begins with is not a read' }
  if (READS.has(first)) return judgeRead(tokens)
  if (HARMLESS.has(first)) return undefined
  switch (first) {
    case 'begin':
    case 'start':
      return judgeModes(tokens.slice(1))
    case 'commit':
    case 'rollback':
      return wordOf(tokens[1]) === 'prepared'
        ? { why: `${first.toUpperCase()} PREPARED ends a transaction of somebody else` }
        : undefined
    case 'explain':
      return judgeExplain(tokens)
    case 'prepare':
      return judgeInner(tokens, 'as', 'PREPARE')
    case 'declare':
      return judgeInner(tokens, 'for', 'DECLARE')
    case 'copy':
      return judgeCopy(tokens)
    case 'set':
      return judgeSet(tokens)
    case 'reset':
      return judgeReset(tokens)
    case 'lock':
      return judgeLock(tokens)
    default:
      return { why: `${first.toUpperCase()} is not a read` }
  }
}

/** A query may hide writes in its WITH, and SELECT INTO makes a table. */
function judgeRead(tokens: readonly Token[]): Refusal | undefined {
  let hasWith = false
  for (let at = 0; at < tokens.length; at += 1) {
    const word = wordOf(tokens[at])
    if (word === 'into' && !isSign(tokens[at - 1], '.')) return { why: 'SELECT INTO makes a table' }
    if (word === 'with') hasWith = true
    if (!hasWith || !WRITES.has(word) || isSign(tokens[at - 1], '.')) continue
    if (word === 'update' && locksRows(tokens, at)) continue
    return { why: `its WITH has ${word.toUpperCase()}` }
  }
  return undefined
}

/** FOR UPDATE, FOR NO KEY UPDATE. Only FOR is a word that can name nothing. */
function locksRows(tokens: readonly Token[], at: number): boolean {
  const [third, second, first] = [1, 2, 3].map((back) => wordOf(tokens[at - back]))
  return third === 'for' || (third === 'key' && second === 'no' && first === 'for')
}

/** EXPLAIN plans a write without doing it, unless it says ANALYZE. */
function judgeExplain(tokens: readonly Token[]): Refusal | undefined {
  let at = 1
  let isAnalyzed = false
  if (isSign(tokens[1], '(') && !READS.has(wordOf(tokens[2])) && !isSign(tokens[2], '(')) {
    while (at < tokens.length && !isSign(tokens[at], ')')) at += 1
    isAnalyzed = tokens.slice(1, at).some(({ text }) => /^analy[sz]e$/i.test(text))
    at += 1
  } else {
    for (; /^(?:analy[sz]e|verbose)$/.test(wordOf(tokens[at])); at += 1) isAnalyzed ||= wordOf(tokens[at]) !== 'verbose'
  }
  const inner = tokens.slice(at)
  const first = firstWord(inner) ?? ''
  if (WRITES.has(first) && !isAnalyzed) return undefined
  if (!READS.has(first) && first !== 'execute') return { why: `EXPLAIN of ${first.toUpperCase() || 'nothing'} is not a read` }
  return judgeForm(inner)
}

/** The statement behind a keyword that cannot come before it. */
function judgeInner(tokens: readonly Token[], keyword: string, verb: string): Refusal | undefined {
  if (wordOf(tokens[1]) === 'transaction') return { why: 'PREPARE TRANSACTION leaves a transaction open' }
  const at = tokens.findIndex((token) => wordOf(token) === keyword)
  const inner = tokens.slice(at + 1)
  if (at < 0 || !READS.has(firstWord(inner) ?? '')) return { why: `${verb} of what is not a query` }
  return judgeRead(inner)
}

/** Only what goes out through the connection. */
function judgeCopy(tokens: readonly Token[]): Refusal | undefined {
  let depth = 0
  for (let at = 1; at < tokens.length; at += 1) {
    if (isSign(tokens[at], '(')) depth += 1
    if (isSign(tokens[at], ')')) depth -= 1
    const word = depth === 0 ? wordOf(tokens[at]) : ''
    if (word === 'from') return { why: 'COPY FROM writes' }
    if (word !== 'to') continue
    if (!/^std(?:out|in)$/.test(wordOf(tokens[at + 1]))) return { why: "COPY TO writes into a file or a program of the server's" }
    const inner = isSign(tokens[1], '(') ? tokens.slice(2, at - 1) : []
    if (inner.length > 0 && !READS.has(firstWord(inner) ?? '')) return { why: 'COPY of what is not a query' }
    return judgeRead(inner)
  }
  return { why: 'COPY without TO is not a read' }
}

function judgeSet(tokens: readonly Token[]): Refusal | undefined {
  let at = 1
  const scope = wordOf(tokens[1])
  if ((scope === 'session' || scope === 'local') && !isAssignment(tokens[2])) at = 2
  const name = tokens[at]?.text.toLowerCase() ?? ''
  const isKeyword = tokens[at]?.kind === 'word' && !isAssignment(tokens[at + 1])
  if (isKeyword && name === 'transaction') return judgeModes(tokens.slice(at))
  if (isKeyword && name === 'characteristics') return judgeModes(tokens.slice(at + 2)) // AS
  if (isKeyword && name === 'time' && wordOf(tokens[at + 1]) === 'zone') return undefined
  if (isKeyword && (name === 'constraints' || name === 'schema' || name === 'xml')) return undefined
  const path = nameAt(tokens, at)
  if (isKeyword && name === 'names') return judgeEncoding(tokens.slice(at + 1))
  if (path.text === 'client_encoding') return judgeEncoding(tokens.slice(path.end + 1))
  if (path.text === 'standard_conforming_strings') {
    const isOn = wordOf(tokens[path.end + 1]) === 'on' && tokens.length === path.end + 2
    return isOn ? undefined : { why: 'standard_conforming_strings stays on here' }
  }
  if (isAssignment(tokens[path.end]) && mayChange(path.text)) return undefined
  if (mayChange(path.text) && wordOf(tokens[path.end]) === 'from') return undefined // FROM CURRENT
  return { why: `SET ${path.text || name} could lead out of read-only` }
}

function judgeEncoding(value: readonly Token[]): Refusal | undefined {
  const [token] = value
  if (value.length === 0) return undefined // SET NAMES: the server's own
  if (value.length === 1 && token !== undefined && isPlainEncoding(token.text)) return undefined
  return { why: 'text in that encoding cannot be read safely here' }
}

function judgeReset(tokens: readonly Token[]): Refusal | undefined {
  const path = nameAt(tokens, 1)
  if (wordOf(tokens[1]) === 'all' && tokens.length === 2) return undefined
  if (wordOf(tokens[1]) === 'time' && wordOf(tokens[2]) === 'zone') return undefined
  if (path.end === tokens.length && (mayChange(path.text) || path.text === 'standard_conforming_strings')) return undefined
  return { why: `RESET ${path.text} could lead out of read-only` }
}

/** As pg_dump does; every other lock keeps somebody's writes waiting. */
function judgeLock(tokens: readonly Token[]): Refusal | undefined {
  const words = tokens.map(wordOf)
  const end = words.at(-1) === 'nowait' ? -1 : words.length
  return words.slice(0, end).slice(-4).join(' ') === 'in access share mode'
    ? undefined
    : { why: 'LOCK keeps others from writing' }
}

/** Modes of a transaction. SNAPSHOT with its name is one. */
function judgeModes(tokens: readonly Token[]): Refusal | undefined {
  const isHarmless = tokens.every(
    (token, at) =>
      MODES.has(wordOf(token)) ||
      isSign(token, ',') ||
      wordOf(token) === 'snapshot' ||
      (token.kind === 'string' && wordOf(tokens[at - 1]) === 'snapshot'),
  )
  return isHarmless ? undefined : { why: 'a transaction can only be READ ONLY here' }
}

/** A function is called by parentheses, or by a dot behind its only argument. */
function judgeCalls(tokens: readonly Token[], { functions, allowed }: Rules): Refusal | undefined {
  for (let at = 0; at < tokens.length; at += 1) {
    const token = tokens[at]!
    if (token.kind !== 'word' && token.kind !== 'name') continue
    const isCall = isSign(tokens[at + 1], '(')
    const isPart = isSign(tokens[at - 1], '.')
    if (!isCall && !isPart) continue
    if (!isHarmful(functions, token.text, !isCall)) continue
    const schema = isPart ? tokens[at - 2]?.text : undefined
    const path = schema ? `${schema}.${token.text}` : token.text
    if (token.text !== 'set_config' && (allowed.has(path) || allowed.has(token.text))) continue
    return { why: `${token.text}() may do more than read`, function: token.text }
  }
  return undefined
}

/** The first word behind opening parentheses. */
export function firstWord(tokens: readonly Token[]): string | undefined {
  let at = 0
  while (isSign(tokens[at], '(')) at += 1
  return wordOf(tokens[at]) || undefined
}

function nameAt(tokens: readonly Token[], from: number): { text: string; end: number } {
  let text = tokens[from]?.kind === 'word' || tokens[from]?.kind === 'name' ? tokens[from].text : ''
  let end = from + 1
  for (; isSign(tokens[end], '.'); end += 2) text += `.${tokens[end + 1]?.text ?? ''}`
  return { text: text.toLowerCase(), end }
}

function isAssignment(token: Token | undefined): boolean {
  return isSign(token, '=') || wordOf(token) === 'to'
}

export function wordOf(token: Token | undefined): string {
  return token?.kind === 'word' ? token.text : ''
}

export function isSign(token: Token | undefined, sign: string): boolean {
  return token?.kind === 'sign' && token.text === sign
}

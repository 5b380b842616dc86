import { lex, type Token, Unreadable } from '../postgres/lex.ts'
import { isPlaceholder } from './placeholder.ts'

/** SQL in which every string literal is hidden where it names a secret column anywhere: which literal is the column's cannot always be told. */
export function hideLiterals(statement: string, isSecret: (name: string) => boolean, hide: (value: string) => string): string {
  if (!/['$]/.test(statement)) return statement
  // The lexer takes a character a byte.
  const sql = Buffer.from(statement).toString('latin1')
  const literals: [start: number, end: number][] = []
  let tokens: Token[]
  try {
    tokens = lex(sql, (start, end) => literals.push([start, end]))
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error
    return hideRest(statement, isSecret, hide)
  }
  const isNamed = tokens.some(({ kind, text }, at) => {
    const isQualifier = tokens[at + 1]?.kind === 'sign' && tokens[at + 1]?.text === '.'
    return (kind === 'word' || kind === 'name') && !isQualifier && isSecret(text)
  })
  if (!isNamed) return statement
  let shown = ''
  let copied = 0
  for (const [start, end] of literals) {
    const text = Buffer.from(sql.slice(start, end), 'latin1').toString('utf8')
    const [, inner = text] = /^[eE]?'([\s\S]*)'$/.exec(text) ?? /^\$\w*\$([\s\S]*)\$\w*\$$/.exec(text) ?? []
    if (inner === '' || isPlaceholder(inner)) continue
    shown += `${sql.slice(copied, start)}'${hide(inner)}'`
    copied = end
  }
  return Buffer.from(shown + sql.slice(copied), 'latin1').toString('utf8')
}

/** Of what is not read as SQL everything from the first quote on. */
function hideRest(statement: string, isSecret: (name: string) => boolean, hide: (value: string) => string): string {
  if (!(statement.match(/\w+/g) ?? []).some(isSecret)) return statement
  const at = statement.search(/'|\$\w*\$/)
  return at < 0 ? statement : statement.slice(0, at) + hide(statement.slice(at))
}

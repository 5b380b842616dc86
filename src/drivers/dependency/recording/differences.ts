import type { Field } from './canonical.ts'
import type { ComparedRequest } from './har-form.ts'
import { fitsPlaceholders } from './placeholder.ts'

const MOST_LINES = 8
const LONGEST_VALUE = 60

interface Compared extends ComparedRequest {
  headers: readonly Field[]
}

/** What differs between a request and a recorded one, a line each, and in which parts: `query`, `body`, …. Shows what is redacted already. */
export function differences(asked: Compared, recorded: Compared): { lines: string[]; parts: string[] } {
  const inParts: [part: string, lines: string[]][] = [
    ['method', asked.method === recorded.method ? [] : [`method ${asked.method}, recorded ${recorded.method}`]],
    ['path', asked.path === recorded.path ? [] : [`path ${short(asked.path)}, recorded ${short(recorded.path)}`]],
    ['query', fieldLines('query', asked.query, recorded.query, JSON.stringify)],
    [
      'header',
      fieldLines('header', asked.headers, recorded.headers, (value) => (value === '' ? 'absent' : JSON.stringify(value))),
    ],
    ['body', bodyLines(asked, recorded)],
  ]
  const lines = inParts.flatMap(([, lines]) => lines)
  const shown =
    lines.length <= MOST_LINES ? lines : [...lines.slice(0, MOST_LINES - 1), `and ${lines.length - MOST_LINES + 1} more`]
  return { lines: shown, parts: inParts.filter(([, lines]) => lines.length > 0).map(([part]) => part) }
}

function bodyLines(asked: Compared, recorded: Compared): string[] {
  const [mine, theirs] = [asked.body, recorded.body]
  if (mine === undefined || theirs === undefined) return asked.wholeHash === recorded.wholeHash ? [] : ['body: another content']
  if (mine.kind !== theirs.kind) return [`body: ${mine.kind}, recorded ${theirs.kind}`]
  if (mine.kind === 'binary' || mine.kind === 'omitted') return asked.hash === recorded.hash ? [] : ['body: another content']
  return fieldLines('body', mine.fields, theirs.fields, (value) => value)
}

function fieldLines(
  part: string,
  asked: readonly Field[],
  recorded: readonly Field[],
  show: (value: string) => string,
): string[] {
  const mine = byName(asked)
  const theirs = byName(recorded)
  const names = [...new Set([...mine.keys(), ...theirs.keys()])].sort()
  return names.flatMap((name) => {
    const [a, b] = [mine.get(name), theirs.get(name)]
    const label = name === '' ? part : `${part} ${short(name)}`
    if (a === undefined) return [`${label}: missing, recorded ${values(b ?? [], show)}`]
    if (b === undefined) return [`${label}: ${values(a, show)}, not recorded`]
    const isSame = a.length === b.length && b.every((value, at) => fitsPlaceholders(value, a[at] ?? ''))
    return isSame ? [] : [`${label}: ${values(a, show)}, recorded ${values(b, show)}`]
  })
}

function values(list: readonly string[], show: (value: string) => string): string {
  return short(list.map(show).join(' '))
}

function byName(fields: readonly Field[]): Map<string, string[]> {
  const names = new Map<string, string[]>()
  for (const [name, value] of fields) names.set(name, [...(names.get(name) ?? []), value])
  return names
}

function short(text: string): string {
  return text.length <= LONGEST_VALUE ? text : `${text.slice(0, LONGEST_VALUE)}…`
}

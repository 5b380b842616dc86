import { renderTable } from '../../core/table.ts'
import type { Style } from '../../core/style.ts'
import type { ParityResult } from '../../wire/messages.ts'

type Fact = ParityResult['facts'][number]

/** What `shiv parity` prints: facts by subject, each with its verdict, why, and what reading back said; then the counts and the score. */
export function renderParity(report: ParityResult, { style, wide }: { style: Style; wide: boolean }): string[] {
  const facts = [...groupBySubject(report.facts).values()].flat()
  const rows = facts.map((fact) => (wide ? wideRow(fact, style) : row(fact, style)))
  const [first = '', ...table] = wide
    ? renderTable([WIDE_HEADER, ...rows], { indent: 2, header: style.dim })
    : ['', ...renderTable(rows, { indent: 2 })]
  const lines = facts.flatMap((fact, index) => [
    ...(fact.subject === facts[index - 1]?.subject ? [] : ['', style.bold(fact.subject)]),
    table[index] ?? '',
    ...whyLines(fact, style),
  ])
  return [
    `${style.bold(report.workspace)} on ${report.runtime}, compared with production`,
    ...(first ? ['', first] : []),
    ...lines,
    '',
    ...renderScore(report, style),
  ]
}

const WIDE_HEADER = ['', 'FACT', 'PRODUCTION', 'LOCAL', 'LIVE', 'VERIFIED']

/** `score 93 of 100: 41 same, 3 substituted, 2 absent; 40 confirmed, 1 drifted`. */
export function renderScore(report: ParityResult, style: Style): string[] {
  const count = (verdict: Fact['verdict']): number => report.facts.filter((fact) => fact.verdict === verdict).length
  const live = (verdict: string): number => report.facts.filter((fact) => fact.live?.verdict === verdict).length
  const checks = [`${live('confirmed')} confirmed`, `${live('drifted')} drifted`]
  if (live('unreadable') > 0) checks.push(`${live('unreadable')} unreadable`)
  const parts = [
    `${count('same')} same, ${count('substituted')} substituted, ${count('absent')} absent`,
    report.verified ? `live: ${checks.join(', ')}` : 'live: not verified',
  ]
  return [`score ${style.bold(formatScore(report.score))} of 100: ${parts.join('; ')}`]
}

/** At most one decimal, never rounded up to a score that was not reached. */
export function formatScore(score: number): string {
  return String(Math.floor(score * 10) / 10)
}

function row(fact: Fact, style: Style): string[] {
  return [mark(fact, style), fact.title, liveCell(fact, style), difference(fact, style)]
}

function wideRow(fact: Fact, style: Style): string[] {
  const actual = fact.live?.actual === undefined ? '' : valueText(fact.live.actual)
  return [
    mark(fact, style),
    fact.title,
    fact.production,
    fact.local ?? '',
    actual,
    fact.live ? paintLive(fact.live.verdict, style) : '',
  ]
}

function mark(fact: Fact, style: Style): string {
  if (fact.verdict === 'same') return style.green('=')
  return fact.verdict === 'substituted' ? style.yellow('~') : style.red(style.glyph('✗', 'x'))
}

function difference(fact: Fact, style: Style): string {
  const arrow = style.glyph(' → ', ' -> ')
  const planned = fact.verdict === 'same' ? fact.production : `${fact.production}${arrow}${fact.local ?? 'absent'}`
  const { live } = fact
  return live?.verdict === 'drifted' && live.actual !== undefined ? `${planned}, but really ${valueText(live.actual)}` : planned
}

function liveCell({ live }: Fact, style: Style): string {
  if (!live) return ''
  return paintLive(live.verdict, style)
}

function paintLive(verdict: NonNullable<Fact['live']>['verdict'], style: Style): string {
  if (verdict === 'confirmed') return style.green(verdict)
  return verdict === 'drifted' ? style.red(verdict) : style.dim(verdict)
}

function whyLines(fact: Fact, style: Style): string[] {
  if (!fact.why || fact.verdict === 'same') return []
  return [`     ${style.dim(fact.why)}`]
}

function valueText(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? '')
}

function groupBySubject(facts: Fact[]): Map<string, Fact[]> {
  const groups = new Map<string, Fact[]>()
  for (const fact of facts) groups.set(fact.subject, [...(groups.get(fact.subject) ?? []), fact])
  return groups
}

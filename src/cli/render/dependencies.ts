import { formatAge, formatDuration } from '../../core/duration.ts'
import { harmless } from '../../core/harmless.ts'
import type { Style } from '../../core/style.ts'
import { renderTable } from '../../core/table.ts'
import type { DependencyEvent, DependencyStatus, Faults } from '../../wire/messages.ts'
import { doneMark, failedMark } from './marks.ts'

export interface DependencyView {
  style: Style
  /** Epoch milliseconds. */
  now: number
}

/** `shiv status`: a line for each, and why one is not served. */
export function renderDependencies(dependencies: DependencyStatus[] = [], { style }: DependencyView): string[] {
  if (dependencies.length === 0) return []
  const rows = dependencies.map((one) => [one.name, modeCell(one, style), servesCell(one), stateCell(one, style)])
  const table = renderTable([['DEPENDENCY', 'MODE', 'SERVES', 'STATE'], ...rows], { indent: 2, header: style.dim })
  return ['', ...table, ...dependencies.flatMap((one) => errorLines(one, style))]
}

/** The end of `shiv start`: what each may do to the other environment, and every reason for more. */
export function renderAccess(dependencies: DependencyStatus[] = [], { style }: DependencyView): string[] {
  if (dependencies.length === 0) return []
  const rows = dependencies.map((one) => [one.name, modeCell(one, style), accessCell(one, style), servesCell(one)])
  const table = renderTable([['DEPENDENCY', 'MODE', 'ACCESS', 'SERVES'], ...rows], { indent: 2, header: style.dim })
  return [
    '',
    ...table,
    ...dependencies.flatMap((one) => [...reasonLines(one, style), ...faultLines(one, style), ...errorLines(one, style)]),
  ]
}

/** `shiv proxy`: everything that is known of each. */
export function renderProxy(dependencies: DependencyStatus[], { style, now }: DependencyView): string[] {
  if (dependencies.length === 0) return ['no dependency leads outside of this workspace']
  const rows = dependencies.map((one) => {
    const { p50, p99, requests, refused, failed } = one.health
    return [
      one.name,
      modeCell(one, style),
      accessCell(one, style),
      servesCell(one),
      stateCell(one, style),
      latency(p50),
      latency(p99),
      String(requests),
      String(refused),
      String(failed),
      one.port === undefined ? '' : `localhost:${one.port}`,
    ]
  })
  const header = ['DEPENDENCY', 'MODE', 'ACCESS', 'SERVES', 'STATE', 'P50', 'P99', 'REQUESTS', 'REFUSED', 'FAILED', 'AT']
  const table = renderTable([header, ...rows], { header: style.dim, right: [5, 6, 7, 8, 9] })
  const below = dependencies.flatMap((one) => [
    ...reasonLines(one, style),
    ...faultLines(one, style),
    ...errorLines(one, style),
    ...lastErrorLines(one, now),
  ])
  return [...table, ...(below.length > 0 ? ['', ...below] : [])]
}

/** One line of `shiv proxy tail`: `12:03:44.120  billing  GET /invoices?page=2  200  41 ms  upstream`. */
export function renderDependencyEvent(event: DependencyEvent, style: Style): string {
  const mark =
    event.outcome === 'answered' ? doneMark(style) : event.outcome === 'refused' ? style.yellow('!') : failedMark(style)
  const how = [
    event.status ?? event.outcome,
    latency(event.durationMs),
    event.servedBy,
    event.cause && `${event.outcome === 'answered' ? '' : `${event.outcome}: `}${harmless(event.cause)}`,
  ]
  const time = new Date(event.time).toISOString().slice(11, 23)
  return `${style.dim(time)} ${mark} ${style.bold(event.dependency)}  ${harmless(event.summary)}  ${how.filter(Boolean).join('  ')}`
}

function modeCell({ mode, writtenMode }: DependencyStatus, style: Style): string {
  return mode === writtenMode ? mode : `${style.yellow(mode)} ${style.dim(`(switched from ${writtenMode})`)}`
}

function servesCell({ serves }: DependencyStatus): string {
  return serves === '' ? 'nobody' : harmless(serves)
}

function accessCell({ access, mode }: DependencyStatus, style: Style): string {
  if (mode === 'local' || mode === 'replay') return ''
  if (access.level === 'read_only') return access.allow.length > 0 ? `read-only, ${access.allow.length} excepted` : 'read-only'
  return style.yellow('read-write')
}

function stateCell({ health, port }: DependencyStatus, style: Style): string {
  if (port === undefined) return style.red('not served')
  if (health.state === 'ready') return style.green('ready')
  return health.state === 'failing' ? style.red('failing') : style.dim('unknown')
}

function reasonLines({ name, access, production, mode }: DependencyStatus, style: Style): string[] {
  if (mode === 'local') return []
  return [
    ...(production ? [`  ${style.red('!')} ${name} reads ${production.environment}: ${harmless(production.why)}`] : []),
    ...access.allow.map(
      ({ method, path, why }) =>
        `  ${style.yellow('!')} ${name} lets ${[method, path].filter(Boolean).join(' ')} pass: ${harmless(why)}`,
    ),
  ]
}

function faultLines({ name, faults, areFaultsSwitched }: DependencyStatus, style: Style): string[] {
  if (!faults) return areFaultsSwitched ? [`  ${style.yellow('!')} ${name} has its faults switched off`] : []
  return [`  ${style.yellow('!')} ${name} has faults${areFaultsSwitched ? ' (switched)' : ''}: ${describeFaults(faults)}`]
}

/** `latency 100 ms / 2.0 s, errors 10 % (503), cut 5 %, 1000000 B/s`. */
export function describeFaults({ latency: delay, errorRate, errorStatus, cutRate, bytesPerSecond }: Faults): string {
  const percent = (rate: number): string => `${Math.round(rate * 1_000) / 10} %`
  return [
    delay && `latency ${formatDuration(delay.p50)} / ${formatDuration(delay.p99)}`,
    errorRate && `errors ${percent(errorRate)}${errorStatus ? ` (${errorStatus})` : ''}`,
    cutRate && `cut ${percent(cutRate)}`,
    bytesPerSecond && `${bytesPerSecond} B/s`,
  ]
    .filter(Boolean)
    .join(', ')
}

function errorLines({ name, error }: DependencyStatus, style: Style): string[] {
  if (!error) return []
  const hint = error.hint === undefined ? [] : [style.dim(`    hint: ${harmless(error.hint)}`)]
  return [`  ${style.red(`${name} ${error.code}`)}: ${harmless(error.message)}`, ...hint]
}

function lastErrorLines({ name, health }: DependencyStatus, now: number): string[] {
  const { lastError } = health
  return lastError ? [`  ${name} last error ${formatAge(now - lastError.time)} ago: ${harmless(lastError.message)}`] : []
}

function latency(ms: number | undefined): string {
  if (ms === undefined) return ''
  return ms < 10 ? `${ms.toFixed(1)} ms` : formatDuration(ms)
}

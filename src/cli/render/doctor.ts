import type { Style } from '../../core/style.ts'
import { renderTable } from '../../core/table.ts'
import type { DoctorResult } from '../../wire/messages.ts'
import { doneMark, failedMark } from './marks.ts'

type Check = DoctorResult['checks'][number]

/** What `shiv doctor` prints: a line for each check, and below it what to do. */
export function renderDoctor({ checks }: DoctorResult, style: Style): string[] {
  const table = renderTable(
    checks.map((check) => [mark(check, style), check.title, check.state === 'fixed' ? `mended: ${check.detail}` : check.detail]),
  )
  const lines = table.flatMap((line, index) => [line, ...advice(checks[index], style)])
  const failed = checks.filter(({ state }) => state === 'failed').length
  const warnings = checks.filter(({ state }) => state === 'warning').length
  if (failed === 0 && warnings === 0) return [...lines, '', 'all is there']
  return [...lines, '', `${failed} missing, ${warnings} warning${warnings === 1 ? '' : 's'}`]
}

function mark(check: Check, style: Style): string {
  if (check.state === 'failed') return failedMark(style)
  return check.state === 'warning' ? style.yellow('!') : doneMark(style)
}

function advice(check: Check | undefined, style: Style): string[] {
  if (!check || check.state === 'ok' || check.state === 'fixed') return []
  return [
    ...(check.needed ? [`   ${style.dim(`needed by ${check.needed}`)}`] : []),
    ...(check.hint ? [`   ${style.dim('hint:')} ${check.hint}`] : []),
  ]
}

import { relative } from 'node:path'
import { harmless } from '../../core/harmless.ts'
import type { Style } from '../../core/style.ts'
import { renderTable } from '../../core/table.ts'
import type { WhyResult } from '../../wire/messages.ts'

type Verdict = WhyResult['files'][number]['verdicts'][number]

/** What `shiv why` prints: for each file what a save does, to whom, by which rule and where that stands. */
export function renderWhy({ files, workspace }: WhyResult, { style, cwd }: { style: Style; cwd: string }): string[] {
  const shown = (path: string): string => harmless(relative(cwd, path) || '.')
  return files.flatMap(({ file, verdicts }, index) => {
    const gap = index > 0 ? [''] : []
    if (verdicts.length === 0)
      return [...gap, `${style.bold(shown(file))}  belongs to no service of ${workspace.name}: a save of it does nothing`]
    return [...gap, ...verdicts.flatMap((verdict) => [headline(shown(file), verdict, style), ...details(verdict, shown, style)])]
  })
}

function headline(file: string, verdict: Verdict, style: Style): string {
  const arrow = style.glyph('→', '->')
  return `${style.bold(file)}  ${verdict.services.join(', ')} ${arrow} ${paint(verdict.action, style)}`
}

function details(verdict: Verdict, shown: (path: string) => string, style: Style): string[] {
  const { position } = verdict
  const place = position ? `${shown(position.file)}:${position.line}` : verdict.from
  const rule = harmless(verdict.rule).replace('→', style.glyph('→', '->'))
  const decides =
    verdict.rule === verdict.action
      ? []
      : [
          [style.dim('rule'), rule],
          [style.dim('of'), place],
        ]
  const goes = verdict.targets.map((target) => [style.dim('to'), harmless(target)])
  const then = verdict.restart === undefined ? [] : [[style.dim('then'), thenText(verdict.restart)]]
  return renderTable([...decides, ...goes, ...then, [style.dim('why'), harmless(verdict.why)]], { indent: 2 })
}

function thenText(restart: NonNullable<Verdict['restart']>): string {
  if (restart === 'process') return 'the process is ended and started anew'
  return restart === 'none' ? 'the service sees it by itself' : `the process gets ${restart.signal}`
}

function paint(action: Verdict['action'], style: Style): string {
  const colour = { ignore: style.dim, unmatched: style.yellow, image: style.yellow, plan: style.cyan }
  return (colour[action as keyof typeof colour] ?? style.green)(action === 'unmatched' ? 'no rule' : action)
}

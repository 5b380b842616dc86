import { renderTable } from '../../core/table.ts'
import { harmless } from '../../core/harmless.ts'
import type { Style } from '../../core/style.ts'
import { stageName, type CiReport } from '../ci/report.ts'
import { ciHeadline, differencesText, legName, legText, outcomeOf, span } from './ci-words.ts'
import { renderReport } from './table.ts'

/** A report of `shiv ci` for a terminal or a log: stages, the way from the commit to the first answer, tests, gates, and what is not known. */
export function renderCi(report: CiReport, style: Style): string[] {
  const { stages, timeline, gates, deployments, bench, parity, remarks, pipeline, source } = report
  const paint = outcomeOf(report) === 'passed' ? style.green : style.red
  const lines = ['', style.bold(paint(ciHeadline(report)))]
  const add = (part: string[]): void => void (part.length > 0 && lines.push('', ...part))
  const facts = [
    ...(source ? [['commit', harmless(source.subject)]] : []),
    ...(pipeline ? [['pipeline', [pipeline.name, pipeline.url].filter(Boolean).join(' ')]] : []),
    ...(parity
      ? [['parity', `${Math.round(parity.score)} % of production, as the system answered; ${differencesText(parity)}`]]
      : []),
    ...deployments.map(({ service, environment, revision, isChanged, url }) => [
      'deployed',
      `${service} to ${environment}: release ${revision}${isChanged ? '' : ', which served already'}${url ? `, ${url} answers` : ''}`,
    ]),
  ]
  lines.push(...renderTable(facts, { indent: 2 }))
  const marks = { passed: style.green('passed'), failed: style.red('failed'), skipped: style.dim('skipped') }
  const rows = stages.map((stage) => [
    stageName(stage),
    marks[stage.state],
    stage.state === 'skipped' ? '' : span(stage.ms),
    harmless(stage.why ?? ''),
  ])
  add(renderTable([['STAGE', '', 'TOOK', ''], ...rows], { indent: 2, header: style.dim, right: [2] }))
  if (timeline.legs.length > 0) {
    const lead = timeline.leadMs === undefined ? '' : `, ${span(timeline.leadMs)} from the commit to the first answer`
    add([
      `the way of the change${lead}`,
      ...renderTable(
        timeline.legs.map((leg) => [legName(leg), legText(leg, report)]),
        { indent: 2 },
      ),
    ])
  }
  if (bench) add(renderReport(bench, style))
  add(
    gates.map(({ gate, name, state, why }) => {
      const mark =
        state === 'failed' ? style.red('failed') : state === 'passed' ? style.green('passed') : style.yellow('unproven')
      return `gate ${gate}  ${mark}  ${name}: ${why}`
    }),
  )
  add([
    ...timeline.skew.map((text) => style.yellow(`clocks: ${harmless(text)}`)),
    ...timeline.unknown.map((text) => style.dim(`not known: ${harmless(text)}`)),
    ...remarks.map((text) => style.yellow(harmless(text))),
  ])
  return lines
}

import { renderTable } from '../../core/table.ts'
import type { Style } from '../../core/style.ts'
import type { Advice } from '../advice.ts'
import { movedSpans, type Comparison } from '../compare.ts'
import { noiseFloor, type BenchReport } from '../report.ts'
import { nameOf, valuesOf } from '../samples.ts'
import { sparkline } from './sparkline.ts'
import { duration, estimate, headline, probability } from './words.ts'

/** A report for a terminal: figures with a sparkline of their samples, verdicts with the spans that moved, advice, and how sure all this is. */
export function renderReport(report: BenchReport, style: Style): string[] {
  const lines = [headline(report), '', ...figures(report, style)]
  const add = (part: string[]): void => void (part.length > 0 && lines.push('', ...part))
  add(report.comparisons.flatMap((comparison) => comparisonLines(comparison, style)))
  add(
    report.series.flatMap((one) =>
      one.failure === undefined ? [] : [`${style.red('failed')}  ${nameOf(one)} (${one.side}): ${one.failure}`],
    ),
  )
  add(
    report.gates.map(({ gate, name, state, why }) => {
      const mark =
        state === 'failed' ? style.red('failed') : state === 'passed' ? style.green('passed') : style.yellow('unproven')
      return `gate ${gate}  ${mark}  ${name}: ${why}`
    }),
  )
  add(report.advice.flatMap((advice) => adviceLines(advice, style)))
  add([...certainty(report), ...report.remarks.map((remark) => style.yellow(remark))])
  return lines
}

function figures({ series }: BenchReport, style: Style): string[] {
  const rows = series.map((one) => {
    const { summary } = one
    if (summary === undefined) return [one.measure, one.of, one.side, '0']
    return [
      one.measure,
      one.of,
      one.side,
      String(summary.count),
      style.bold(estimate(summary.p50)),
      estimate(summary.p95),
      duration(summary.min.value),
      sparkline(valuesOf(one), { unicode: style.unicode }),
    ]
  })
  const header = ['MEASURE', 'OF', 'SIDE', 'N', 'P50', 'P95', 'MIN', 'SAMPLES']
  return renderTable([header, ...rows], { indent: 2, header: style.dim, right: [3] })
}

function comparisonLines({ side, base, verdict, why, corrected, spans, ...name }: Comparison, style: Style): string[] {
  const paint = { slower: style.red, faster: style.green, same: style.green, 'cannot tell': style.yellow }[verdict]
  const moved = movedSpans({ verdict, spans }).slice(0, 2)
  return [
    `${nameOf(name)}: ${side} is ${style.bold(paint(verdict === 'same' ? `the same as ${base}` : verdict === 'cannot tell' ? `not told from ${base}` : `${verdict} than ${base}`))}, ${why} (${probability(corrected)})`,
    ...moved.map(
      (span) =>
        `  ${span.name} ${span.deltaMs > 0 ? 'grew' : 'shrank'} by ${duration(Math.abs(span.deltaMs))}: ${duration(span.baseMs)} ${style.glyph('→', '->')} ${duration(span.ms)}`,
    ),
  ]
}

function adviceLines({ service, finding, evidence, remedy }: Advice, style: Style): string[] {
  return [
    `${style.yellow('!')} ${service}: ${finding}`,
    ...evidence.map((line) => `    ${line}`),
    `    ${style.dim(`hint: ${remedy}`)}`,
  ]
}

function certainty(report: BenchReport): string[] {
  const floor = noiseFloor(report.series)
  const { sampleMs, roundTripMs } = report.harness
  const trip = roundTripMs === undefined ? '' : `, a round trip to the daemon ${duration(roundTripMs)}`
  return [
    ...(floor
      ? [
          `with so many samples this machine cannot tell differences under ${(floor.smallest * 100).toFixed(1)} % now (${floor.name})`,
        ]
      : []),
    `the harness adds ${duration(sampleMs)} to a sample${trip}`,
    ...(report.isInterrupted ? ['interrupted: what was measured until then is kept'] : []),
  ]
}

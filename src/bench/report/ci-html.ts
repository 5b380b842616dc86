import { stageName, type CiReport, type Stage } from '../ci/report.ts'
import { ciHeadline, legName, legText, span } from './ci-words.ts'
import { benchParts } from './html.ts'
import { list, page } from './page.ts'
import { box, line, linear, picture, text, ticks } from './svg.ts'
import { escapeXml } from './xml.ts'

const WIDTH = 820
const LEFT = 210
const ROW = 20
/** Spans of a stage that are drawn: the longest. */
const MOST_SPANS = 12

/** A report of `shiv ci` as one HTML file without scripts: how it ended, a waterfall of its stages, the way of the change, tests, and its bench. */
export function renderCiHtml(report: CiReport): string {
  const { stages, timeline, tests, deployments, gates, failure, parity, remarks, pipeline, source, startedAt, bench } = report
  return page(`shiv ci: ${report.workspace}`, [
    `<p><b class="${failure ? 'failed' : 'passed'}">${escapeXml(ciHeadline(report))}</b></p>`,
    `<p class="soft">${[source?.subject, pipeline?.name, pipeline?.url, new Date(startedAt).toISOString()]
      .flatMap((one) => (one === undefined ? [] : [escapeXml(one)]))
      .join('<br>')}</p>`,
    ...(failure
      ? [
          `<p class="failed">${escapeXml(failure.stage)}: <code>${escapeXml(failure.code)}</code> ${escapeXml(failure.message)}</p>`,
        ]
      : []),
    ...(failure?.hint === undefined ? [] : [`<p class="soft">hint: ${escapeXml(failure.hint)}</p>`]),
    waterfall(stages),
    '<h2>Stages</h2>',
    table(
      ['stage', '', 'took', ''],
      stages.map((stage) => [
        escapeXml(stageName(stage)),
        `<b class="${stage.state}">${stage.state}</b>`,
        stage.state === 'skipped' ? '' : span(stage.ms),
        escapeXml(stage.why ?? ''),
      ]),
    ),
    '<h2>The way of the change</h2>',
    ...(timeline.leadMs === undefined
      ? []
      : [`<p>${span(timeline.leadMs)} from the commit to the first answer of the new version.</p>`]),
    table(
      ['between', 'took'],
      timeline.legs.map((leg) => [escapeXml(legName(leg)), escapeXml(legText(leg, report))]),
    ),
    ...list([
      ...timeline.skew.map((one) => `clocks: ${escapeXml(one)}`),
      ...timeline.unknown.map((one) => `not known: ${escapeXml(one)}`),
      ...deployments.map(
        ({ service, environment, revision, isChanged }) =>
          `${escapeXml(service)} is in ${escapeXml(environment)} as release ${revision}${isChanged ? '' : ', which served already'}`,
      ),
      ...gates.map(
        ({ gate, state, why }) => `gate <code>${escapeXml(gate)}</code> <b class="${state}">${state}</b>: ${escapeXml(why)}`,
      ),
      ...remarks.map(escapeXml),
    ]),
    ...(parity && parity.differences.length > 0
      ? [
          '<h2>Not as in production</h2>',
          `<p>${Math.round(parity.score)} % of production, as the started system answered.</p>`,
          table(
            ['', 'production', 'here', 'why'],
            parity.differences.map(({ title, production, local = 'absent', why = '' }) =>
              [title, production, local, why].map(escapeXml),
            ),
          ),
        ]
      : []),
    ...(tests.length > 0 ? ['<h2>Tests</h2>'] : []),
    ...tests.map(
      ({ service, passed, ms, command, lines }) =>
        `<p><b class="${passed ? 'passed' : 'failed'}">${escapeXml(service)} ${passed ? 'passed' : 'failed'}</b> in ${span(ms)}: <code>${escapeXml(command.join(' '))}</code></p>${lines.length > 0 ? `<pre>${escapeXml(lines.join('\n'))}</pre>` : ''}`,
    ),
    ...(bench ? ['<h2>Bench</h2>', ...benchParts(bench)] : []),
  ])
}

/** Every stage that was done from its beginning to its end, with its longest steps below it. */
function waterfall(stages: readonly Stage[]): string {
  const done = stages.filter(({ state, ms }) => state !== 'skipped' && ms > 0)
  if (done.length === 0) return ''
  const rows = done.flatMap((stage) => [
    { name: stageName(stage), startMs: stage.startMs, ms: stage.ms, style: stage.state === 'failed' ? 'bad' : 'side0' },
    ...longest(stage).map((one) => ({ name: `  ${one.name}`, startMs: stage.startMs + one.startMs, ms: one.ms, style: 'side2' })),
  ])
  const end = Math.max(...rows.map(({ startMs, ms }) => startMs + ms))
  const x = linear([0, end], [LEFT, WIDTH - 70])
  const height = rows.length * ROW + 40
  return picture('what took how long', WIDTH, height, [
    ...ticks(x.domain, 6).flatMap((at) => [
      line(x(at), 8, x(at), height - 26, 'grid'),
      text(x(at), height - 10, span(at), { anchor: 'middle', style: 'small' }),
    ]),
    ...rows.flatMap(({ name, startMs, ms, style }, index) => {
      const top = 10 + index * ROW
      const label = name.trim().split(' › ').slice(-1).join('')
      return [
        text(LEFT - 8, top + 11, label.length > 32 ? `${label.slice(0, 31)}…` : label, {
          anchor: 'end',
          ...(name.startsWith(' ') && { style: 'small' }),
        }),
        box(x(startMs), top, x(startMs + ms) - x(startMs), 14, style, `${name.trim()}: ${span(ms)}`),
        text(x(startMs + ms) + 5, top + 11, span(ms), { style: 'small' }),
      ]
    }),
  ])
}

/** In the order in which they began; what is inside of another stands for itself below it. */
function longest({ spans, ms }: Stage): Stage['spans'] {
  return spans
    .filter((one) => one.ms >= ms / 100 && one.name.split(' › ').length <= 2)
    .sort((a, b) => b.ms - a.ms)
    .slice(0, MOST_SPANS)
    .sort((a, b) => a.startMs - b.startMs)
}

function table(head: string[], rows: string[][]): string {
  const cells = (row: string[], tag: string): string => row.map((cell) => `<${tag}>${cell}</${tag}>`).join('')
  return `<table><tr>${cells(head, 'th')}</tr>${rows.map((row) => `<tr>${cells(row, 'td')}</tr>`).join('')}</table>`
}

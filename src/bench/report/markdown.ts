import { movedSpans } from '../compare.ts'
import { noiseFloor, type BenchReport } from '../report.ts'
import { nameOf } from '../samples.ts'
import { escapeMarkdown as escape } from './escape-markdown.ts'
import { duration, estimate, headline, probability } from './words.ts'

const MARKS = { slower: '🔴 slower', faster: '🟢 faster', same: '⚪ same', 'cannot tell': '❔ cannot tell' }

/** A report as a comment of a pull request: verdicts first, figures and the rest folded away. */
export function renderMarkdown(report: BenchReport): string {
  const { comparisons, gates, series, advice, remarks } = report
  const floor = noiseFloor(series)
  return [
    `### shiv bench: ${escape(headline(report))}`,
    '',
    ...(comparisons.length > 0
      ? [
          '| measure | verdict | effect | where |',
          '|---|---|---|---|',
          ...comparisons.map((one) => {
            const [moved] = movedSpans(one)
            const where = moved ? `${escape(moved.name)} ${duration(moved.baseMs)} → ${duration(moved.ms)}` : ''
            return `| ${escape(nameOf(one))} | ${MARKS[one.verdict]} | ${escape(one.why)} (${probability(one.corrected)}) | ${where} |`
          }),
          '',
        ]
      : []),
    ...gates.map(({ gate, name, state, why }) => `- gate \`${gate}\` **${state}** for ${escape(name)}: ${escape(why)}`),
    ...(gates.length > 0 ? [''] : []),
    '<details><summary>figures</summary>',
    '',
    '| measure | side | n | p50 | p95 | min |',
    '|---|---|---|---|---|---|',
    ...series.map((one) => {
      const name = `| ${escape(nameOf(one))} | ${escape(one.side)} `
      if (!one.summary) return `${name}| 0 | ${escape(one.failure ?? 'nothing was measured')} | | |`
      const { count, p50, p95, min } = one.summary
      return `${name}| ${count} | ${estimate(p50)} | ${estimate(p95)} | ${duration(min.value)} |`
    }),
    '',
    ...advice.flatMap(({ service, finding, evidence, remedy }) => [
      `- **${escape(service)}**: ${escape(finding)}. ${evidence.map(escape).join('; ')}. *${escape(remedy)}*`,
    ]),
    ...(floor
      ? [`- With so many samples this machine cannot tell differences under ${(floor.smallest * 100).toFixed(1)} %.`]
      : []),
    ...remarks.map((remark) => `- ${escape(remark)}`),
    '',
    '</details>',
    '',
  ].join('\n')
}

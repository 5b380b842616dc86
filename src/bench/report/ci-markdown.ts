import { stageName, type CiReport } from '../ci/report.ts'
import { ciHeadline, differencesText, legName, legText, outcomeOf, span } from './ci-words.ts'
import { escapeMarkdown as escape } from './escape-markdown.ts'
import { renderMarkdown } from './markdown.ts'

const MARKS = { passed: '🟢', failed: '🔴', skipped: '⚪', interrupted: '🟡', unproven: '❔' }
const SHOWN = 40

/** A report of `shiv ci` as a job's summary: how it ended first, then where the time went. */
export function renderCiMarkdown(report: CiReport): string {
  const { stages, tests, timeline, deployments, gates, failure, source, parity, bench, remarks } = report
  return [
    `### ${MARKS[outcomeOf(report)]} shiv ci: ${escape(ciHeadline(report))}`,
    '',
    ...(source ? [escape(source.subject), ''] : []),
    ...(failure
      ? [`**${escape(failure.stage)}**: \`${failure.code}\` ${escape(failure.message)}`, ...hint(failure.hint), '']
      : []),
    '| stage | | took | |',
    '|---|---|---|---|',
    ...stages.map((stage) => {
      const took = stage.state === 'skipped' ? '' : span(stage.ms)
      return `| ${escape(stageName(stage))} | ${MARKS[stage.state]} ${stage.state} | ${took} | ${escape(stage.why ?? '')} |`
    }),
    '',
    ...(deployments.length > 0 ? ['| deployed | to | release | image |', '|---|---|---|---|'] : []),
    ...deployments.map(
      ({ service, environment, revision, isChanged, digest }) =>
        `| ${escape(service)} | ${escape(environment)} | ${revision}${isChanged ? '' : ' (served already)'} | \`${digest.slice(0, 19)}\` |`,
    ),
    ...(deployments.length > 0 ? [''] : []),
    ...gates.map(
      ({ gate, name, state, why }) => `- ${MARKS[state]} gate \`${gate}\` **${state}** for ${escape(name)}: ${escape(why)}`,
    ),
    ...(gates.length > 0 ? [''] : []),
    ...failedTests(tests),
    '<details><summary>the way of the change</summary>',
    '',
    ...(timeline.leadMs === undefined
      ? []
      : [`${span(timeline.leadMs)} from the commit to the first answer of the new version.`, '']),
    '| | |',
    '|---|---|',
    ...timeline.legs.map((leg) => `| ${legName(leg)} | ${escape(legText(leg, report))} |`),
    '',
    ...timeline.skew.map((text) => `- clocks: ${escape(text)}`),
    ...timeline.unknown.map((text) => `- not known: ${escape(text)}`),
    ...remarks.map((text) => `- ${escape(text)}`),
    '',
    '</details>',
    '',
    ...differences(parity),
    ...(bench ? [renderMarkdown(bench)] : []),
  ].join('\n')
}

/** What the tests did not meet as production has it. */
function differences(parity: CiReport['parity']): string[] {
  if (parity === undefined || parity.differences.length === 0) return []
  return [
    `<details><summary>${differencesText(parity)} from production</summary>`,
    '',
    '| | production | here | why |',
    '|---|---|---|---|',
    ...parity.differences.map(
      ({ title, production, local = 'absent', why = '' }) => `| ${[title, production, local, why].map(escape).join(' | ')} |`,
    ),
    '',
    '</details>',
    '',
  ]
}

function hint(text: string | undefined): string[] {
  return text === undefined ? [] : ['', `Hint: ${escape(text)}`]
}

/** The end of what each wrote. Indented, so that nothing that a test prints ends the block. */
function failedTests(tests: CiReport['tests']): string[] {
  return tests
    .filter(({ passed }) => !passed)
    .flatMap(({ service, command, lines }) => [
      `**${escape(service)}**: ${escape(command.join(' '))}`,
      '',
      ...lines.slice(-SHOWN).map((line) => `    ${line.replaceAll('\r', '')}`),
      '',
    ])
}

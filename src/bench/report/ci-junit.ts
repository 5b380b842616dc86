import { stageName, type CiReport } from '../ci/report.ts'
import { ciHeadline } from './ci-words.ts'
import { junitFile, junitSuite } from './junit.ts'
import { escapeXml } from './xml.ts'

/** A report of `shiv ci` as JUnit XML: a suite of stages, services' tests and gates, and one of its bench. */
export function renderCiJUnit(report: CiReport): string {
  return junitFile([ciSuite(report), ...(report.bench ? [junitSuite(report.bench)] : [])])
}

function ciSuite(report: CiReport): string {
  const { stages, tests, gates, durationMs, startedAt, failure } = report
  // A stage of tests that failed is told by the services' own cases.
  const told = stages.filter(({ name }) => name !== 'test' || tests.length === 0)
  const cases = [
    ...told.map((stage) => {
      const inside =
        stage.state === 'failed'
          ? `<failure message="${escapeXml(stage.why ?? 'failed')}">${escapeXml(evidence(stage.name === failure?.stage ? failure : undefined))}</failure>`
          : stage.state === 'skipped'
            ? `<skipped message="${escapeXml(stage.why ?? '')}"/>`
            : ''
      return testCase('stage', stageName(stage), stage.ms, inside)
    }),
    ...tests.map(({ service, passed, ms, command, lines }) =>
      testCase(
        'tests',
        service,
        ms,
        passed ? '' : `<failure message="${escapeXml(`${command.join(' ')} failed`)}">${escapeXml(lines.join('\n'))}</failure>`,
      ),
    ),
    ...gates.map(({ gate, name, state, why }) => {
      const inside =
        state === 'failed'
          ? `<failure message="${escapeXml(why)}"/>`
          : state === 'unproven'
            ? `<skipped message="${escapeXml(`unproven: ${why}`)}"/>`
            : ''
      return testCase('gate', `${gate} ${name}`, 0, inside)
    }),
  ]
  const count = (mark: string): number => cases.filter((one) => one.includes(mark)).length
  return [
    `<testsuite name="shiv ci" tests="${cases.length}" failures="${count('<failure ')}" errors="0" skipped="${count('<skipped ')}" time="${seconds(durationMs)}" timestamp="${new Date(startedAt).toISOString()}">`,
    `  <properties><property name="summary" value="${escapeXml(ciHeadline(report))}"/></properties>`,
    ...cases.map((one) => `  ${one}`),
    '</testsuite>',
  ].join('\n')
}

function testCase(kind: string, name: string, ms: number, inside: string): string {
  const head = `<testcase classname="shiv ci.${kind}" name="${escapeXml(name)}" time="${seconds(ms)}"`
  return inside === '' ? `${head}/>` : `${head}>${inside}</testcase>`
}

function evidence(failure: CiReport['failure']): string {
  if (failure === undefined) return ''
  return [failure.hint && `hint: ${failure.hint}`, ...(failure.evidence ?? [])].filter(Boolean).join('\n')
}

function seconds(ms: number): string {
  return (ms / 1_000).toFixed(6)
}

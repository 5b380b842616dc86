import type { BenchReport } from '../report.ts'
import { nameOf } from '../samples.ts'
import { escapeXml } from './xml.ts'

const HEAD = '<?xml version="1.0" encoding="UTF-8"?>'

/** Suites as a JUnit file. */
export function junitFile(suites: string[]): string {
  return [HEAD, '<testsuites>', ...suites, '</testsuites>', ''].join('\n')
}

/** A report as JUnit XML. */
export function renderJUnit(report: BenchReport): string {
  return junitFile([junitSuite(report)])
}

/** A suite: a test case for each series, whose time is its median, and one for each verdict of a gate. A gate that failed is a failure, a measure that could not be taken an error. */
export function junitSuite(report: BenchReport): string {
  const { series, gates, comparisons } = report
  const failures = gates.filter(({ state }) => state === 'failed').length
  const errors = series.filter(({ failure }) => failure !== undefined).length
  const seconds = (ms: number): string => (ms / 1_000).toFixed(6)
  const cases = [
    ...series.map((one) => {
      const head = `<testcase classname="shiv bench.${escapeXml(one.measure)}" name="${escapeXml(`${one.of} (${one.side})`)}" time="${seconds(one.summary?.p50.value ?? 0)}"`
      if (one.failure !== undefined) return `${head}><error message="${escapeXml(one.failure)}"/></testcase>`
      const told = comparisons
        .filter((comparison) => nameOf(comparison) === nameOf(one) && comparison.side === one.side)
        .map(({ base, verdict, why }) => `${verdict} (against ${base}): ${why}`)
      return told.length === 0 ? `${head}/>` : `${head}><system-out>${escapeXml(told.join('\n'))}</system-out></testcase>`
    }),
    ...gates.map(({ gate, name, state, why }) => {
      const head = `<testcase classname="shiv bench.gate" name="${escapeXml(`${gate} ${name}`)}" time="0"`
      if (state === 'passed') return `${head}/>`
      return state === 'failed'
        ? `${head}><failure message="${escapeXml(why)}"/></testcase>`
        : `${head}><skipped message="${escapeXml(`unproven: ${why}`)}"/></testcase>`
    }),
  ]
  const skipped = gates.filter(({ state }) => state === 'unproven').length
  return [
    `<testsuite name="shiv bench" tests="${cases.length}" failures="${failures}" errors="${errors}" skipped="${skipped}" time="${seconds(report.durationMs)}" timestamp="${new Date(report.startedAt).toISOString()}">`,
    ...cases.map((line) => `  ${line}`),
    '</testsuite>',
  ].join('\n')
}

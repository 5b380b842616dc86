import type { CiReport } from '../ci/report.ts'
import { outcomeOf } from './ci-words.ts'
import { benchMetrics, labels } from './openmetrics.ts'

/** A report of `shiv ci` in the OpenMetrics text format 1.0: what each stage took, the way of the change, how it ended, and the families of its bench. */
export function renderCiMetrics(report: CiReport): string {
  const { workspace, runtime = 'none', machine, startedAt, stages, tests, timeline, durationMs, bench } = report
  const common = { workspace, runtime, machine: machine.class }
  const time = (startedAt / 1_000).toFixed(3)
  return [
    '# TYPE shiv_ci_stage_duration_seconds gauge',
    '# UNIT shiv_ci_stage_duration_seconds seconds',
    '# HELP shiv_ci_stage_duration_seconds What a stage took.',
    ...stages
      .filter(({ state }) => state !== 'skipped')
      .map(
        ({ name, of = '', state, ms }) =>
          `shiv_ci_stage_duration_seconds${labels({ ...common, stage: name, of, state })} ${ms / 1_000} ${time}`,
      ),
    '# TYPE shiv_ci_leg_duration_seconds gauge',
    '# UNIT shiv_ci_leg_duration_seconds seconds',
    '# HELP shiv_ci_leg_duration_seconds Between two moments of the change on its way; below zero where two clocks disagree.',
    ...timeline.legs.map(
      ({ from, to, ms }) => `shiv_ci_leg_duration_seconds${labels({ ...common, from, to })} ${ms / 1_000} ${time}`,
    ),
    ...(timeline.leadMs === undefined
      ? []
      : [
          '# TYPE shiv_ci_lead_time_seconds gauge',
          '# UNIT shiv_ci_lead_time_seconds seconds',
          '# HELP shiv_ci_lead_time_seconds From the commit to the first answer of the new version.',
          `shiv_ci_lead_time_seconds${labels(common)} ${timeline.leadMs / 1_000} ${time}`,
        ]),
    '# TYPE shiv_ci_duration_seconds gauge',
    '# UNIT shiv_ci_duration_seconds seconds',
    '# HELP shiv_ci_duration_seconds The whole run.',
    `shiv_ci_duration_seconds${labels({ ...common, outcome: outcomeOf(report) })} ${durationMs / 1_000} ${time}`,
    '# TYPE shiv_ci_tests_passed gauge',
    '# HELP shiv_ci_tests_passed Whether the tests of a service passed.',
    ...tests.map(({ service, passed }) => `shiv_ci_tests_passed${labels({ ...common, service })} ${passed ? 1 : 0} ${time}`),
    ...(bench ? benchMetrics(bench) : []),
    '# EOF',
    '',
  ].join('\n')
}

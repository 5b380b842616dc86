import type { BenchReport } from '../report.ts'

/** A report in the OpenMetrics text format 1.0. */
export function renderOpenMetrics(report: BenchReport): string {
  return [...benchMetrics(report), '# EOF', ''].join('\n')
}

/** Its families: quantiles in seconds, how many samples they stand on, and the ratios of comparisons. */
export function benchMetrics({ series, comparisons, workspace, runtime, machine, startedAt }: BenchReport): string[] {
  const common = { workspace, runtime, machine: machine.class }
  const time = (startedAt / 1_000).toFixed(3)
  const taken = series.flatMap((one) => (one.summary ? [{ ...one, summary: one.summary }] : []))
  return [
    '# TYPE shiv_bench_duration_seconds gauge',
    '# UNIT shiv_bench_duration_seconds seconds',
    '# HELP shiv_bench_duration_seconds Quantiles of a measure.',
    ...taken.flatMap(({ measure, of, side, summary }) =>
      (
        [
          ['0', summary.min.value],
          ['0.5', summary.p50.value],
          ['0.95', summary.p95.value],
        ] as const
      ).map(
        ([quantile, ms]) =>
          `shiv_bench_duration_seconds${labels({ ...common, measure, of, side, quantile })} ${ms / 1_000} ${time}`,
      ),
    ),
    '# TYPE shiv_bench_samples gauge',
    '# HELP shiv_bench_samples Samples that the quantiles stand on.',
    ...taken.map(
      ({ measure, of, side, summary }) =>
        `shiv_bench_samples${labels({ ...common, measure, of, side })} ${summary.count} ${time}`,
    ),
    '# TYPE shiv_bench_ratio gauge',
    '# HELP shiv_bench_ratio Of a side over its base; above 1 is slower.',
    ...comparisons.map(
      ({ measure, of, side, base, ratio, verdict }) =>
        `shiv_bench_ratio${labels({ ...common, measure, of, side, base, verdict })} ${ratio.value} ${time}`,
    ),
  ]
}

/** The labels of a sample, escaped as the format wants it. */
export function labels(values: Record<string, string>): string {
  const pairs = Object.entries(values).map(([name, value]) => {
    const escaped = value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
    return `${name}="${escaped}"`
  })
  return `{${pairs.join(',')}}`
}

import { writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { BenchReport } from '../../bench/report.ts'
import { ShivError } from '../../core/errors.ts'
import type { Invocation } from '../command.ts'

/** Files that a report is also written to, by flag. */
const WRITERS: Record<string, () => Promise<(report: BenchReport) => string>> = {
  markdown: async () => (await import('../../bench/report/markdown.ts')).renderMarkdown,
  junit: async () => (await import('../../bench/report/junit.ts')).renderJUnit,
  openmetrics: async () => (await import('../../bench/report/openmetrics.ts')).renderOpenMetrics,
  html: async () => (await import('../../bench/report/html.ts')).renderHtml,
  trace: async () => {
    const { reportTrace } = await import('../../bench/report/trace.ts')
    return (report) => JSON.stringify(reportTrace(report))
  },
}

/** Writes the files that were asked for. Throws BENCH_NOT_WRITTEN. */
export async function writeOutputs(report: BenchReport, { flags, cwd }: Invocation): Promise<void> {
  for (const [flag, load] of Object.entries(WRITERS)) {
    const path = flags.text(flag)
    if (path === undefined) continue
    const render = await load()
    try {
      await writeFile(resolve(cwd, path), render(report))
    } catch (error) {
      throw new ShivError(`The report could not be written: ${(error as Error).message}.`, {
        code: 'BENCH_NOT_WRITTEN',
        exit: 2,
        hint: `name a file in a folder that exists: shiv bench --${flag} report.${flag === 'markdown' ? 'md' : flag}`,
        cause: error,
      })
    }
  }
}

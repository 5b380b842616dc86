import { appendFile, mkdir, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { execFile } from 'node:child_process'
import { ciEntry } from '../../bench/ci/history.ts'
import type { CiReport } from '../../bench/ci/report.ts'
import { entriesOf } from '../../bench/history.ts'
import { renderCiHtml } from '../../bench/report/ci-html.ts'
import { renderCiJUnit } from '../../bench/report/ci-junit.ts'
import { renderCiMarkdown } from '../../bench/report/ci-markdown.ts'
import { renderCiMetrics } from '../../bench/report/ci-metrics.ts'
import { outcomeOf } from '../../bench/report/ci-words.ts'
import { ciTrace } from '../../bench/report/ci-trace.ts'
import { ShivError } from '../../core/errors.ts'
import { appendHistory, historyPath } from '../bench/history-store.ts'

/** Files of a report, by name. */
const FILES: Record<string, (report: CiReport) => string> = {
  'summary.md': renderCiMarkdown,
  'report.json': (report) => `${JSON.stringify(report)}\n`,
  'junit.xml': renderCiJUnit,
  'metrics.txt': renderCiMetrics,
  'trace.json': (report) => JSON.stringify(ciTrace(report)),
  'report.html': renderCiHtml,
}

/** GitHub takes a summary of at most 1 MiB from a step. */
const SUMMARY_BYTES = 1_000_000
const ANNOTATE_TIMEOUT_MS = 20_000

/** Makes the folder of a report, which git does not see, so that a report makes no tree differ from its commit. Throws CI_REPORT_NOT_WRITTEN. */
export async function openReport(folder: string, cwd: string): Promise<void> {
  const at = resolve(cwd, folder)
  await written(async () => {
    await mkdir(at, { recursive: true })
    await writeFile(join(at, '.gitignore'), '*\n')
  })
}

/** Writes a report's files into `folder`. Throws CI_REPORT_NOT_WRITTEN. */
export async function writeReport(report: CiReport, folder: string, cwd: string): Promise<void> {
  const at = resolve(cwd, folder)
  await written(async () => {
    for (const [name, render] of Object.entries(FILES)) await writeFile(join(at, name), render(report))
  })
}

async function written(work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    throw new ShivError(`The report could not be written: ${(error as Error).message}.`, {
      code: 'CI_REPORT_NOT_WRITTEN',
      exit: 2,
      hint: 'name a folder that can be written: shiv ci --report shiv-report',
      cause: error,
    })
  }
}

/** Keeps the figures of a run that came to its end, and those of its bench. */
export async function keepHistory(report: CiReport): Promise<void> {
  const entry = ciEntry(report)
  const entries = [...(entry ? [entry] : []), ...(report.bench ? entriesOf(report.bench) : [])]
  await appendHistory(historyPath(report.machine.class), entries)
}

/** Shows the summary where the CI shows summaries: GitHub's job page, Buildkite's build page. Returns why it could not. */
export async function publishSummary(report: CiReport, environment: NodeJS.ProcessEnv): Promise<string | undefined> {
  const text = renderCiMarkdown(report)
  const path = environment['GITHUB_STEP_SUMMARY']
  if (report.pipeline?.name === 'GitHub Actions' && path) {
    const shown = Buffer.byteLength(text) > SUMMARY_BYTES ? 'The summary is too long for this page: see summary.md.\n' : text
    return appendFile(path, shown).then(
      () => undefined,
      (error: unknown) => `the job summary could not be written: ${(error as Error).message}`,
    )
  }
  return report.pipeline?.name === 'Buildkite' ? annotate(text, report, environment) : undefined
}

function annotate(text: string, report: CiReport, environment: NodeJS.ProcessEnv): Promise<string | undefined> {
  const argv = ['annotate', '--style', outcomeOf(report) === 'passed' ? 'success' : 'error', '--context', 'shiv-ci']
  return new Promise((done) => {
    const options = { env: environment, timeout: ANNOTATE_TIMEOUT_MS }
    const child = execFile('buildkite-agent', argv, options, (error) =>
      done(error ? `the build could not be annotated: ${error.message.trim()}` : undefined),
    )
    child.stdin?.on('error', () => {}) // it ended before it read all; its code tells
    child.stdin?.end(text)
  })
}

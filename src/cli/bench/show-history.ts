import { isCommitId } from '../../core/commit-id.ts'
import { harmless } from '../../core/harmless.ts'
import { writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { ShivError, type ExitCode } from '../../core/errors.ts'
import { percent } from '../../bench/compare.ts'
import { sparkline } from '../../bench/report/sparkline.ts'
import { duration, probability } from '../../bench/report/words.ts'
import { nameOf } from '../../bench/samples.ts'
import { trends, type Trend, type TrendStep } from '../../bench/trend.ts'
import type { Style } from '../../core/style.ts'
import { renderTable } from '../../core/table.ts'
import type { Invocation } from '../command.ts'
import { printJson, printLines } from '../print.ts'
import { findWorkspace, resolvePlace } from '../workspace.ts'
import { git, repositoryOf } from './git.ts'
import { historyPath, readHistory } from './history-store.ts'
import { machineFacts } from './machine-facts.ts'
import { workspaceName } from './workspace-name.ts'

/** `shiv bench history`: how measures went over runs on machines like this one, and which commit they stepped at. */
export async function showHistory({ args, cwd, flags, terminal }: Invocation): Promise<ExitCode> {
  const { path } = resolvePlace(args, cwd)
  const root = findWorkspace(path) ?? path
  const workspace = workspaceName(root)
  const machine = await machineFacts(undefined)
  const file = historyPath(machine.class)
  const { entries, aside } = await readHistory(file)
  const found = trends(entries.filter((entry) => entry.workspace === workspace))
  if (found.length === 0) {
    const others = [...new Set(entries.map((entry) => harmless(entry.workspace)))].sort()
    throw new ShivError(`History has no run of ${workspace} with a machine like this one.`, {
      code: 'BENCH_NO_HISTORY',
      exit: 2,
      hint:
        others.length > 0
          ? `there are runs of ${others.join(', ')}: shiv bench history FOLDER`
          : 'shiv bench keeps every run that it makes',
    })
  }
  if (aside)
    terminal.err(
      `${aside.lines} damaged ${aside.lines === 1 ? 'line of history was' : 'lines of history were'} put aside in ${aside.path}\n`,
    )
  const html = flags.text('html')
  if (html !== undefined) {
    const { renderTrendHtml } = await import('../../bench/report/html.ts')
    await writeFile(resolve(cwd, html), renderTrendHtml(workspace, found))
  }
  if (flags.wantsJson) printJson(terminal, { version: 1, workspace, file, machineClass: machine.class, trends: found })
  else printLines(terminal, await render(found, root, terminal.style))
  return 0
}

async function render(found: readonly Trend[], root: string, style: Style): Promise<string[]> {
  const rows = found.map(({ points, runtime, ...name }) => [
    nameOf(name),
    runtime,
    String(points.length),
    duration(points.at(-1)!.ms),
    sparkline(
      points.map(({ ms }) => ms),
      { columns: 40, unicode: style.unicode },
    ),
  ])
  const lines = renderTable([['MEASURE', 'RUNTIME', 'RUNS', 'LAST P50', 'TREND'], ...rows], {
    indent: 2,
    header: style.dim,
    right: [2, 3],
  })
  const steps: string[] = []
  for (const trend of found) for (const step of trend.steps) steps.push(`${nameOf(trend)} ${await stepText(step, root, style)}`)
  return [...lines, '', ...(steps.length > 0 ? steps : ['no measure stepped'])]
}

async function stepText({ before, after, beforeMs, afterMs, p }: TrendStep, root: string, style: Style): Promise<string> {
  const change = percent(afterMs / beforeMs)
  const painted = afterMs > beforeMs ? style.red(change) : style.green(change)
  return `stepped ${painted} (${duration(beforeMs)} ${style.glyph('→', '->')} ${duration(afterMs)}, ${probability(p)}) ${await culprit(before.commit, after.commit, root)}`
}

/** The commits that came in between two runs; where there is one, it is the one. */
async function culprit(before: string | undefined, after: string | undefined, root: string): Promise<string> {
  if (after === undefined) return 'at a run outside of git'
  const repository = await repositoryOf(root)
  const short = after.slice(0, 7)
  // History is merged from other machines: what is no commit is nothing for git's command line.
  if (before === undefined || !repository || !isCommitId(before) || !isCommitId(after)) return `at ${harmless(short)}`
  if (before === after) return `between two runs of ${short}: not by a commit, so by the machine or by changes that were in none`
  const lines = await git(root, ['log', '--format=%h %s', `${before}..${after}`]).catch(() => undefined)
  if (lines === undefined) {
    const why = repository.isShallow ? 'this clone is shallow' : 'not both are in this repository'
    return `between ${before.slice(0, 7)} and ${short}; which commits are between cannot be told: ${why}`
  }
  const lost = await git(root, ['rev-list', '--count', `${after}..${before}`])
  if (Number(lost) > 0)
    return `between ${before.slice(0, 7)} and ${short}, which is of another branch: either's commits may be it`
  const commits = lines.trim().split('\n').filter(Boolean)
  if (commits.length === 1) return `at ${harmless(commits[0]!)}`
  return `at one of ${commits.length} commits up to ${short} (git log ${before.slice(0, 7)}..${short})`
}

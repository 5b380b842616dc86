import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { parseGate } from '../../bench/gates.ts'
import { entriesOf } from '../../bench/history.ts'
import type { BenchReport } from '../../bench/report.ts'
import { renderReport } from '../../bench/report/table.ts'
import { ShivError, type ExitCode } from '../../core/errors.ts'
import { lastOf, readBaseline } from '../bench/baseline.ts'
import { appendHistory, historyPath, readHistory } from '../bench/history-store.ts'
import { measuresOf } from '../bench/measures.ts'
import { writeOutputs } from '../bench/outputs.ts'
import { runBench, type BenchWish, type What } from '../bench/run-bench.ts'
import { stderrTeller } from '../bench/teller.ts'
import type { Invocation } from '../command.ts'
import { inputError } from '../parse.ts'
import { printJson, printLines } from '../print.ts'
import { startParams } from '../start-params.ts'
import { findWorkspace } from '../workspace.ts'

export async function run(invocation: Invocation): Promise<ExitCode> {
  const [what = 'all', ...words] = invocation.args
  if (what === 'history') return (await import('../bench/show-history.ts')).showHistory({ ...invocation, args: words })
  const wish = await wishOf(what as What, { ...invocation, args: words })
  const report = await runBench(wish, { signal: invocation.signal, teller: stderrTeller(invocation.terminal) })
  await keep(report, invocation)
  await writeOutputs(report, invocation)
  if (invocation.flags.wantsJson) printJson(invocation.terminal, report)
  else printLines(invocation.terminal, renderReport(report, invocation.terminal.style))
  return exitOf(report)
}

async function wishOf(what: What, invocation: Invocation): Promise<BenchWish> {
  const { flags, cwd } = invocation
  const { path, services, ...params } = startParams(invocation)
  const gates = (flags.text('gate') ?? '')
    .split(',')
    .filter(Boolean)
    .map((text) => parseGate(text, measuresOf(what)))
  const against = flags.text('against')
  if (against === undefined && gates.some(({ limit }) => limit.kind === 'ratio')) {
    throw inputError(
      'BENCH_GATE',
      'A gate of a percentage needs something to compare with.',
      'add --against last, --against main or --against FILE',
    )
  }
  const runs = flags.number('runs')
  const budgetMs = flags.number('budget')
  return {
    what,
    root: findWorkspace(path) ?? path,
    path,
    services,
    params,
    gates,
    allowance: { ...(runs !== undefined && { runs: Math.max(1, runs) }), ...(budgetMs !== undefined && { budgetMs }) },
    ...(against !== undefined && (await baseOf(against, cwd))),
  }
}

/** `last`, a file, else a commit. */
async function baseOf(against: string, cwd: string): Promise<Pick<BenchWish, 'commit' | 'baseline'>> {
  if (against === 'last') {
    return {
      baseline: async ({ workspace, runtime, machineClass }) =>
        lastOf((await readHistory(historyPath(machineClass))).entries, workspace, runtime),
    }
  }
  const path = resolve(cwd, against)
  const isFile = await stat(path).then(
    (found) => found.isFile(),
    () => false,
  )
  if (!isFile) return { commit: against }
  const baseline = await readBaseline(path, against)
  return { baseline: async () => baseline }
}

/** History is kept even of an interrupted run; that it could not be is told, and does not take the figures away. */
async function keep(report: BenchReport, { terminal, flags }: Invocation): Promise<void> {
  if (flags.isOn('no-history')) return
  try {
    const path = historyPath(report.machine.class)
    await appendHistory(path, entriesOf(report))
    const { aside } = await readHistory(path)
    if (aside)
      report.remarks.push(
        `${aside.lines} damaged ${aside.lines === 1 ? 'line of history was' : 'lines of history were'} put aside in ${aside.path}`,
      )
  } catch (error) {
    terminal.err(`this run is not in history: ${(error as Error).message}\n`)
  }
}

function exitOf(report: BenchReport): ExitCode {
  if (report.isInterrupted) return 130
  const failed = report.series.find(({ failure }) => failure !== undefined)
  if (failed) return 1
  if (report.series.length === 0) {
    throw new ShivError('Nothing was measured.', {
      code: 'BENCH_NOTHING',
      hint: report.remarks[0] ?? 'shiv bench --help',
      evidence: report.remarks,
    })
  }
  return report.gates.some(({ state }) => state === 'failed') ? 4 : 0
}

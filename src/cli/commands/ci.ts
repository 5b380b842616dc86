import { realpathSync } from 'node:fs'
import { CI_MEASURES, parseCiGate } from '../../bench/ci/gates.ts'
import { parseGate, type Gate } from '../../bench/gates.ts'
import { renderCi } from '../../bench/report/ci-table.ts'
import type { ExitCode } from '../../core/errors.ts'
import { meantServices } from '../../spec/meant-services.ts'
import { callDaemon } from '../../wire/call-daemon.ts'
import type { PlanResult, StartParams } from '../../wire/messages.ts'
import { historyPath, readHistory } from '../bench/history-store.ts'
import { measuresOf } from '../bench/measures.ts'
import { runBench, type What } from '../bench/run-bench.ts'
import { stderrTeller } from '../bench/teller.ts'
import { keepHistory, openReport, publishSummary, writeReport } from '../ci/keep.ts'
import { logMarks } from '../ci/log-marks.ts'
import { runCi } from '../ci/run-ci.ts'
import type { CiWish } from '../ci/wish.ts'
import type { Invocation } from '../command.ts'
import { inputError } from '../parse.ts'
import { printJson, printLines } from '../print.ts'
import { startParams } from '../start-params.ts'

export async function run(invocation: Invocation): Promise<ExitCode> {
  const { terminal, flags, cwd, environment } = invocation
  const folder = flags.text('report')
  const wish = await wishOf(invocation)
  if (folder !== undefined) await openReport(folder, cwd)
  const { report, error } = await runCi(wish, invocation)
  const problems = [await publishSummary(report, environment)]
  // What ended the run is more than that its report could not be written.
  const unwritten = folder === undefined ? undefined : await writeReport(report, folder, cwd).catch((thrown: unknown) => thrown)
  if (!flags.isOn('no-history')) {
    problems.push(
      await keepHistory(report).then(
        () => undefined,
        (error: unknown) => `this run is not in history: ${(error as Error).message}`,
      ),
    )
  }
  for (const problem of problems) if (problem !== undefined) terminal.err(`${problem}\n`)
  if (flags.wantsJson) printJson(terminal, report)
  else printLines(terminal, renderCi(report, terminal.style))
  if (error === undefined && unwritten === undefined) return 0
  if (error !== undefined && unwritten instanceof Error) terminal.err(`${unwritten.message}\n`)
  if (!flags.wantsJson && error instanceof Error) terminal.out(logMarks(report.pipeline?.name).failure(error.message))
  throw error ?? unwritten
}

async function wishOf(invocation: Invocation): Promise<CiWish> {
  const { flags, signal, terminal, environment } = invocation
  const env = flags.text('env')
  const local: StartParams = { ...startParams(invocation), env: 'local', reload: false, debug: false }
  const starts = !flags.isOn('no-start')
  if (!starts && env === undefined && flags.text('bench') === undefined && flags.text('against') === undefined) {
    throw inputError('CLI_MISSING_ARGUMENT', 'With --no-start there is nothing to do.', 'add --env staging or --bench loop')
  }
  // Faults of any file, and an environment that is not there, end it here, before anything is begun.
  const planOf = (params: StartParams) => callDaemon<PlanResult>({ method: 'plan', params }, { command: 'shiv ci', signal })
  const target = env === undefined ? undefined : await planOf({ ...local, env })
  const plan = starts ? await planOf(local) : (target ?? (await planOf(local)))
  const what = flags.text('bench') ?? (flags.text('against') === undefined ? undefined : 'loop')
  const gates = gatesOf(flags.text('gate'), measuresOf(what ?? 'all'))
  const bench = benchOf(invocation, plan, local, { what: what as What | undefined, gates: gates.bench })
  // What is deployed is what was tested.
  const services = meantServices(local.services, realpathSync(local.path), plan)
  return {
    root: plan.workspace.root,
    name: plan.workspace.name,
    params: { ...local, services },
    starts,
    tests: !flags.isOn('no-test'),
    ...(env !== undefined && {
      deploys: {
        services,
        params: {
          path: local.path,
          env,
          environment,
          isConfirmed: flags.isOn('yes'),
          ...(flags.isOn('allow-dirty') && { allowsDirty: true }),
        },
      },
    }),
    ...(bench && { bench: (tools) => runBench(bench, { ...tools, teller: stderrTeller(terminal) }) }),
    gates: gates.own,
    benchGates: gates.bench.map(({ text }) => text),
    history: async (machineClass) => (await readHistory(historyPath(machineClass))).entries,
  }
}

function gatesOf(text: string | undefined, measures: string[]): { own: CiWish['gates']; bench: Gate[] } {
  const words = (text ?? '').split(',').filter(Boolean)
  const own = words.flatMap((word) => parseCiGate(word) ?? [])
  const bench = words.filter((word) => !word.startsWith('ci.')).map((word) => parseGate(word, [...measures, ...CI_MEASURES]))
  return { own, bench }
}

/** What is measured, and against which commit; undefined where nothing of the kind was asked for. */
function benchOf(
  { flags }: Invocation,
  { workspace }: PlanResult,
  { path, services, ...params }: StartParams,
  { what, gates }: { what: What | undefined; gates: Gate[] },
): Parameters<typeof runBench>[0] | undefined {
  const [against, budgetMs] = [flags.text('against'), flags.number('budget')]
  if (what === undefined) {
    if (gates.length === 0) return undefined
    throw inputError(
      'BENCH_GATE',
      `The gate ${gates[0]!.text} is of a bench, and none was asked for.`,
      'add --bench loop --against main',
    )
  }
  if (against === undefined && gates.some(({ limit }) => limit.kind === 'ratio')) {
    throw inputError('BENCH_GATE', 'A gate of a percentage needs something to compare with.', 'add --against main')
  }
  return {
    what,
    root: workspace.root,
    path,
    services,
    params: { env: params.env, environment: params.environment, ...(params.runtime && { runtime: params.runtime }) },
    gates,
    allowance: { ...(budgetMs !== undefined && { budgetMs }) },
    ...(against !== undefined && { commit: against }),
  }
}

import { randomUUID } from 'node:crypto'
import { stageFigures, stagesDone } from '../../bench/ci/figures.ts'
import { gatesOf, type CiReport, type Stage } from '../../bench/ci/report.ts'
import { timelineOf } from '../../bench/ci/timeline.ts'
import type { GateVerdict } from '../../bench/gates.ts'
import type { BenchReport } from '../../bench/report.ts'
import { nameOf } from '../../bench/samples.ts'
import { ShivError } from '../../core/errors.ts'
import { RELEASE } from '../../wire/daemon-entry.ts'
import type { TestResult } from '../../wire/messages.ts'
import { machineFacts } from '../bench/machine-facts.ts'
import type { Invocation } from '../command.ts'
import { deployAll } from './deploy-all.ts'
import { gatherFacts, type CiFacts } from './facts.ts'
import { gateError, type JudgedAgainst, LATE, verdicts } from './judge.ts'
import { markBegun } from './leftover.ts'
import { logMarks } from './log-marks.ts'
import { Stages, type StageNotes } from './stages.ts'
import { requireNothingRuns, startAndTest, stopAll } from './start-and-test.ts'
import type { CiWish } from './wish.ts'

/** What a run gave; `error` is what ended it, for who prints it. */
export interface CiOutcome {
  report: CiReport
  error?: unknown
}

/**
 * Brings the workspace up as production has it, asks how near it is, runs the tests against it, takes it down, measures, and deploys; each as far as it was
 * asked for. Ends at the first that fails. Never throws once it has begun: how it ended is in the report. Throws CI_RUNS_ALREADY before.
 */
export async function runCi(wish: CiWish, invocation: Invocation): Promise<CiOutcome> {
  const [startedAt, began] = [Date.now(), performance.now()]
  const { terminal, signal, flags, environment } = invocation
  const earlier = wish.starts ? await requireNothingRuns(wish, signal) : undefined
  const facts = await gatherFacts(wish.root, environment)
  const write = flags.wantsJson ? () => {} : terminal.out
  const stages = new Stages({ began, marks: logMarks(facts.pipeline?.name), write, signal })
  stages.reached('begun', startedAt)

  const machine = await machineFacts(undefined)
  // Outside of a pipeline what is here may be somebody's: data stays, as after `shiv stop`.
  const keepsData = earlier !== undefined || !isPipeline(facts, environment)
  const unmark = wish.starts ? await markBegun(wish.root, keepsData) : undefined
  const started = wish.starts ? await startAndTest(wish, invocation, stages) : {}
  const runtime = started.start?.run.runtime
  const unread: string[] = []
  const services = started.start?.run.services.map(({ name }) => name) ?? wish.params.services
  const place = await historyOf(wish, { machineClass: machine.class, runtime: runtime ?? 'none', services }, facts, unread)
  const takeDown = async (): Promise<void> => {
    if (wish.starts) await stopAll(wish, stages, keepsData)
    if (stages.list.findLast(({ name }) => name === 'stop')?.state === 'passed') await unmark?.()
  }
  // A bench wants the machine for itself; without one the change is not kept waiting by what is taken down.
  if (wish.bench) await takeDown()
  let bench: BenchReport | undefined
  if (wish.bench) {
    await stages.run('bench', {}, (notes) => measure(wish.bench!({ signal }), notes, (report) => (bench = report)))
    if (bench !== undefined && !stages.isOver) stages.reached('measured')
  }
  const early = verdicts(wish, (measure) => !LATE.has(measure), stageFigures(stages.list), place, '')
  const deployments = await deployAll(wish, invocation, stages, gatesOf({ gates: early, ...(bench && { bench }) }))
  if (!wish.bench) await takeDown()
  stages.reached('finished')

  const timeline = timelineOf([...facts.instants, ...stages.instants], facts.offsets)
  const durationMs = performance.now() - began
  const figures = { ...stageFigures(stages.list), 'ci.total': durationMs, 'ci.lead': timeline.leadMs }
  const late = verdicts(wish, (measure) => LATE.has(measure), figures, place, stagesDone(stages.list))
  const report: CiReport = {
    version: 1,
    kind: 'ci',
    id: randomUUID(),
    startedAt,
    durationMs,
    shiv: RELEASE,
    workspace: wish.name,
    services,
    ...(runtime !== undefined && { runtime }),
    machine,
    ...(facts.pipeline && { pipeline: pipelineFacts(facts.pipeline) }),
    ...(facts.source && { source: facts.source }),
    timeline: { ...timeline, unknown: [...facts.unknown, ...timeline.unknown] },
    stages: stages.list,
    tests: (started.tests?.tests ?? []).map(({ service, passed, durationMs, command, lines }) => ({
      service,
      passed,
      ms: durationMs,
      command,
      lines: passed ? [] : lines,
    })),
    deployments,
    ...(started.parity && { parity: started.parity }),
    ...(bench && { bench }),
    gates: [
      ...wish.gates.flatMap(({ text }) => [...early, ...late].find(({ gate }) => gate === text) ?? []),
      ...(bench ? [] : wish.benchGates.map((gate) => unmeasured(gate, stages.list))),
    ],
    ...(stages.failure && { failure: stages.failure }),
    remarks: [...remarksOf(facts, started.tests, earlier), ...unread],
    isInterrupted: signal.aborted,
  }
  return { report, error: stages.error ?? gateError(report) }
}

/**
 * Measures, and keeps what was measured also where some of it could not be. A change that adds a service has nothing to be compared with, which is no fault
 * of it. Throws BENCH_FAILED.
 */
async function measure(bench: Promise<BenchReport>, notes: StageNotes, keep: (report: BenchReport) => void): Promise<void> {
  try {
    const report = await bench
    keep(report)
    const failed = report.series.find(({ failure }) => failure !== undefined)
    if (failed === undefined) return
    throw new ShivError(`${nameOf(failed)} could not be measured: ${failed.failure}`, {
      code: 'BENCH_FAILED',
      hint: `shiv bench ${failed.measure.split('.')[0]} shows it on this machine`,
    })
  } catch (error) {
    if (!(error instanceof ShivError) || error.code !== 'BENCH_SIDE' || !isOfDefinition(error.cause)) throw error
    notes.why = `not compared: ${error.message}`
  }
}

/** The other commit has no such service, or defines it wrongly. */
function isOfDefinition(cause: unknown): boolean {
  return cause instanceof ShivError && /^(SPEC|PLAN|SERVICE)_/.test(cause.code)
}

/** A gate does not go away with the bench that it is of. */
function unmeasured(gate: string, stages: readonly Stage[]): GateVerdict {
  const why = stages.find(({ name }) => name === 'bench')?.why ?? 'nothing was measured'
  return { gate, name: gate, state: 'unproven', why }
}

function isPipeline({ pipeline }: CiFacts, environment: NodeJS.ProcessEnv): boolean {
  return pipeline !== undefined || /^(1|true)$/i.test(environment['CI'] ?? '')
}

/** Runs of before, without those of this commit: one that failed is not made usual by trying it again. A history that cannot be read proves nothing, and is told. */
async function historyOf(
  wish: CiWish,
  place: { machineClass: string; runtime: string; services: readonly string[] },
  { source }: CiFacts,
  problems: string[],
): Promise<JudgedAgainst> {
  const { runtime, services } = place
  if (wish.gates.length === 0) return { entries: [], runtime, services }
  try {
    const entries = (await wish.history(place.machineClass)).filter(
      ({ side }) => source === undefined || side.commit !== source.commit,
    )
    return { entries, runtime, services }
  } catch (error) {
    problems.push(`history could not be read, so gates of a percentage prove nothing: ${(error as Error).message}`)
    return { entries: [], runtime, services }
  }
}

function pipelineFacts(pipeline: NonNullable<CiFacts['pipeline']>): NonNullable<CiReport['pipeline']> {
  const { commit: _commit, server: _server, times: _times, ...facts } = pipeline
  return facts
}

function remarksOf(facts: CiFacts, tests: TestResult | undefined, earlier: unknown): string[] {
  return [
    ...facts.remarks,
    ...(facts.source?.isDirty ? ['files differ from the commit'] : []),
    ...(tests?.untested.map((service) => `${service} has no test command`) ?? []),
    ...(earlier === undefined ? [] : ['it started with the data of an earlier run, which was kept']),
  ]
}

import { randomUUID } from 'node:crypto'
import { stageFigures } from '../../bench/ci/figures.ts'
import { judgeCiGate, valuesBefore, type CiGate, type CiMeasure } from '../../bench/ci/gates.ts'
import { gatesOf, type CiReport, type Deployment } from '../../bench/ci/report.ts'
import { timelineOf } from '../../bench/ci/timeline.ts'
import type { GateVerdict } from '../../bench/gates.ts'
import type { HistoryEntry } from '../../bench/history.ts'
import type { BenchReport } from '../../bench/report.ts'
import { ShivError } from '../../core/errors.ts'
import { callDaemon } from '../../wire/call-daemon.ts'
import { RELEASE } from '../../wire/daemon-entry.ts'
import type {
  DeployParams,
  DeployResult,
  ParityResult,
  StartParams,
  StartResult,
  StatusResult,
  StopResult,
  TestResult,
} from '../../wire/messages.ts'
import { collectSpans } from '../bench/daemon-spans.ts'
import { machineFacts } from '../bench/machine-facts.ts'
import type { Invocation } from '../command.ts'
import { testsFailed } from '../tests-failed.ts'
import { withProgress } from '../with-progress.ts'
import { gatherFacts, type CiFacts } from './facts.ts'
import { logMarks } from './log-marks.ts'
import { Stages, type StageNotes } from './stages.ts'

export interface CiWish {
  /** Of the workspace, and its name. */
  root: string
  name: string
  /** What start and test ask for. */
  params: StartParams
  starts: boolean
  tests: boolean
  /** What is deployed, one after the other, and where to. */
  deploys?: { services: string[]; params: Omit<DeployParams, 'services'> }
  /** Measures against a commit, or by itself. */
  bench?: (tools: { signal: AbortSignal }) => Promise<BenchReport>
  gates: CiGate[]
  /** Runs of before on machines of a class. */
  history(machineClass: string): Promise<HistoryEntry[]>
}

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

  const started = wish.starts ? await startAndTest(wish, invocation, stages) : {}
  const machine = await machineFacts(undefined)
  const runtime = started.start?.run.runtime
  const place = { machineClass: machine.class, runtime: runtime ?? 'none' }
  const takeDown = async (): Promise<void> => {
    if (wish.starts) await stopAll(wish, stages, earlier !== undefined)
  }
  // A bench wants the machine for itself; without one the change is not kept waiting by what is taken down.
  if (wish.bench) await takeDown()
  const bench = wish.bench && (await stages.run('bench', {}, (notes) => measured(wish.bench!({ signal }), notes)))
  if (bench !== undefined) stages.reached('measured')
  const early = await verdicts(wish, (measure) => !LATE.has(measure), stageFigures(stages.list), place)
  const deployments = await deployAll(wish, invocation, stages, gatesOf({ gates: early, ...(bench && { bench }) }))
  if (!wish.bench) await takeDown()
  stages.reached('finished')

  const timeline = timelineOf([...facts.instants, ...stages.instants], facts.offsets)
  const durationMs = performance.now() - began
  const figures = { ...stageFigures(stages.list), 'ci.total': durationMs, 'ci.lead': timeline.leadMs }
  const late = await verdicts(wish, (measure) => LATE.has(measure), figures, place)
  const report: CiReport = {
    version: 1,
    kind: 'ci',
    id: randomUUID(),
    startedAt,
    durationMs,
    shiv: RELEASE,
    workspace: wish.name,
    services: started.start?.run.services.map(({ name }) => name) ?? wish.params.services,
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
    gates: wish.gates.flatMap(({ text }) => [...early, ...late].find(({ gate }) => gate === text) ?? []),
    ...(stages.failure && { failure: stages.failure }),
    remarks: remarksOf(facts, started.tests, earlier),
    isInterrupted: signal.aborted,
  }
  return { report, error: stages.error ?? gateError(report) }
}

/** A change that adds a service has nothing to be compared with, which is no fault of it. */
async function measured(bench: Promise<BenchReport>, notes: StageNotes): Promise<BenchReport | undefined> {
  try {
    return await bench
  } catch (error) {
    if (!(error instanceof ShivError) || error.code !== 'BENCH_SIDE') throw error
    notes.why = `not compared: ${error.message}`
    return undefined
  }
}

/** A system that somebody works with is not taken down; one that is stopped keeps its data. */
async function requireNothingRuns(wish: CiWish, signal: AbortSignal): Promise<StatusResult['runs'][number] | undefined> {
  const params = { path: wish.root, services: [], all: false }
  const { runs } = await callDaemon<StatusResult>({ method: 'status', params }, { command: 'shiv ci', signal })
  const run = runs.find(({ workspace }) => workspace.root === wish.root)
  if (run === undefined || run.state === 'stopped') return run
  throw new ShivError(`${wish.name} runs here already, and a run of shiv ci begins and ends with nothing.`, {
    code: 'CI_RUNS_ALREADY',
    exit: 2,
    hint: 'shiv stop, then run it again; shiv ci --no-start leaves what runs alone',
  })
}

interface Started {
  start?: StartResult | undefined
  tests?: TestResult | undefined
  parity?: CiReport['parity']
}

async function startAndTest(wish: CiWish, invocation: Invocation, stages: Stages): Promise<Started> {
  const { signal } = invocation
  const start = await stages.run('start', {}, async (notes) => {
    const spans = collectSpans()
    try {
      return await withProgress<StartResult>(invocation, { method: 'start', params: wish.params }, (event) =>
        spans.onEvent(event),
      )
    } finally {
      notes.spans = spans.spans('daemon')
    }
  })
  if (start !== undefined) stages.reached('up')
  const parity = await stages.run('parity', {}, (notes) => askParity(wish, signal, notes))
  let tests: TestResult | undefined
  if (!wish.tests) stages.skip('test', 'not asked for')
  else {
    await stages.run('test', {}, async (notes) => {
      const spans = collectSpans()
      const request = { method: 'test' as const, params: wish.params }
      tests = await withProgress<TestResult>(invocation, request, (event) => spans.onEvent(event))
      notes.spans = spans.spans('daemon')
      const failed = testsFailed(tests)
      if (failed !== undefined) throw failed
    })
    if (!stages.isOver) stages.reached('tested')
  }
  return { start, tests, ...(parity && { parity }) }
}

async function askParity(wish: CiWish, signal: AbortSignal, notes: { why?: string }): Promise<CiReport['parity']> {
  const params = { ...wish.params, verify: true }
  const { score, facts } = await callDaemon<ParityResult>({ method: 'parity', params }, { command: 'shiv ci', signal })
  const differences = facts
    .filter(({ verdict, live }) => verdict !== 'same' || live?.verdict === 'drifted')
    .map(({ id, title, production, local, why, live, verdict }) => ({
      id,
      title,
      production,
      ...(local !== undefined && { local }),
      ...(verdict === 'same' && live?.verdict === 'drifted'
        ? { why: 'the running system answered otherwise' }
        : why !== undefined && { why }),
    }))
  notes.why = `${Math.round(score)} % of production`
  return { score, differences }
}

/** What is started is taken down whatever came before: an interruption ends what was being done, and this is not part of it. */
async function stopAll(wish: CiWish, stages: Stages, keepsData: boolean): Promise<void> {
  await stages.run('stop', { isTakingDown: true }, async (notes) => {
    const place = { path: wish.root, services: [] }
    const { runs } = await callDaemon<StatusResult>(
      { method: 'status', params: { ...place, all: false } },
      { command: 'shiv ci' },
    )
    if (runs.length === 0) notes.why = 'nothing was begun'
    else await callDaemon<StopResult>({ method: 'stop', params: { ...place, purge: !keepsData } }, { command: 'shiv ci' })
  })
}

/** Known when everything is over. The others stand before the deploy: one that fails lets nothing be deployed. */
const LATE: ReadonlySet<CiMeasure> = new Set(['ci.deploy', 'ci.total', 'ci.lead'])

async function verdicts(
  wish: CiWish,
  isMeant: (measure: CiMeasure) => boolean,
  figures: Partial<Record<CiMeasure, number | undefined>>,
  { machineClass, runtime }: { machineClass: string; runtime: string },
): Promise<GateVerdict[]> {
  const gates = wish.gates.filter(({ measure }) => isMeant(measure))
  if (gates.length === 0) return []
  const entries = await wish.history(machineClass)
  return gates.map((gate) =>
    judgeCiGate(gate, figures[gate.measure], valuesBefore(entries, { measure: gate.measure, workspace: wish.name, runtime })),
  )
}

async function deployAll(
  { deploys }: CiWish,
  invocation: Invocation,
  stages: Stages,
  gates: readonly GateVerdict[],
): Promise<Deployment[]> {
  if (deploys === undefined) return []
  if (gates.some(({ state }) => state === 'failed')) {
    for (const service of deploys.services) stages.skip('deploy', 'a gate failed', service)
    return []
  }
  if (!stages.isOver) stages.reached('deploying')
  const done: Deployment[] = []
  for (const service of deploys.services) {
    const params = { ...deploys.params, services: [service] }
    const result = await stages.run('deploy', { of: service }, async (notes) => {
      const spans = collectSpans()
      const request = { method: 'deploy' as const, params }
      const deployed = await withProgress<DeployResult>(invocation, request, (event) => spans.onEvent(event)).finally(() => {
        notes.spans = spans.spans('daemon')
      })
      notes.why = `release ${deployed.release.revision}${deployed.isChanged ? '' : ' serves already'}`
      return deployed
    })
    if (result === undefined) continue
    done.push(deploymentOf(result))
    if (result.isChanged) reachedBy(result, stages)
  }
  return done
}

function deploymentOf({ service, environment, release, isChanged, durationMs }: DeployResult): Deployment {
  return {
    service,
    environment,
    revision: release.revision,
    isChanged,
    digest: release.image.digest,
    ms: durationMs,
    ...(release.health?.url !== undefined && { url: release.health.url }),
  }
}

/** The moments of the release that came last: with several services the change is out when all are. */
function reachedBy({ release }: DeployResult, stages: Stages): void {
  const moments = {
    build: 'built',
    push: 'pushed',
    apply: 'applied',
    rollout: 'healthy',
    'first-answer': 'answered',
    health: 'proven',
  } as const
  for (const [name, moment] of Object.entries(moments)) {
    const span = release.spans.find((one) => one.name === name)
    if (span === undefined) continue
    const at = release.startedAt + span.startMs + span.durationMs
    const known = stages.instants.findIndex((one) => one.moment === moment)
    if (known >= 0) stages.instants.splice(known, 1)
    stages.reached(moment, at)
  }
}

function pipelineFacts({ name, url, user, ref, change }: NonNullable<CiFacts['pipeline']>): NonNullable<CiReport['pipeline']> {
  return {
    name,
    ...(url !== undefined && { url }),
    ...(user !== undefined && { user }),
    ...(ref !== undefined && { ref }),
    ...(change !== undefined && { change }),
  }
}

function remarksOf(facts: CiFacts, tests: TestResult | undefined, earlier: unknown): string[] {
  return [
    ...facts.remarks,
    ...(facts.source?.isDirty ? ['files differ from the commit'] : []),
    ...(tests?.untested.map((service) => `${service} has no test command`) ?? []),
    ...(earlier === undefined ? [] : ['it started with the data of an earlier run, which was kept']),
  ]
}

function gateError(report: CiReport): ShivError | undefined {
  if (report.isInterrupted) return new ShivError('shiv ci was interrupted.', { code: 'INTERRUPTED', exit: 130 })
  const failed = gatesOf(report).filter(({ state }) => state === 'failed')
  if (failed.length === 0) return undefined
  return new ShivError(
    `${failed.length === 1 ? 'A gate' : `${failed.length} gates`} failed: ${failed.map(({ gate }) => gate).join(', ')}.`,
    {
      code: 'CI_GATE',
      exit: 4,
      hint: 'the report says which span grew; a gate that asks too much is changed where shiv ci is called',
      evidence: failed.map(({ gate, name, why }) => `${gate}  ${name}: ${why}`),
    },
  )
}

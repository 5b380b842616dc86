import { randomUUID } from 'node:crypto'
import { adviseAll } from './advice-facts.ts'
import { compare, pairsOf, type Pair } from '../../bench/compare.ts'
import { harnessCost, type Variant } from '../../bench/experiment.ts'
import { judgeGate, type Gate } from '../../bench/gates.ts'
import { weatherRemarks, withSummaries, type BenchReport } from '../../bench/report.ts'
import { median } from '../../bench/statistics.ts'
import type { StatusResult } from '../../wire/messages.ts'
import { RELEASE } from '../../wire/daemon-entry.ts'
import { pairWith, type Baseline } from './baseline.ts'
import { buildVariants } from './build-subject.ts'
import { openLoops } from './loops.ts'
import { machineFacts } from './machine-facts.ts'
import { grouped, takeMeasures, type Allowance, type Teller } from './measures.ts'
import { openCommit, openHere, type RunningSide, type Subject } from './sides.ts'
import { leftOver, openStages, type Stage } from './stage.ts'
import { startVariants, timedStart } from './start-subject.ts'

export type What = 'start' | 'build' | 'loop' | 'all'

export interface BenchWish {
  what: What
  /** Of the workspace. */
  root: string
  /** Where in it the user stands, or what was named; without services it decides which are meant. */
  path: string
  services: string[]
  params: Stage['params']
  /** A commit to measure beside. */
  commit?: string
  /** Figures of before, asked for once it is known what they are held against. */
  baseline?: (subject: { workspace: string; runtime: string; machineClass: string }) => Promise<Baseline>
  gates: Gate[]
  allowance: Allowance
}

/**
 * Measures a workspace as `wish` says and reports. Everything runs in copies with daemons of their own, which are gone when this returns, throws or
 * is interrupted; what was measured until an interruption is in the report. Throws what keeps the measuring from beginning.
 */
export async function runBench(
  wish: BenchWish,
  { signal, teller }: { signal: AbortSignal; teller: Teller },
): Promise<BenchReport> {
  const [startedAt, began] = [Date.now(), performance.now()]
  const stages = await openStages()
  try {
    const { subject, here } = await openHere(stages, wish, wish.params)
    const runtime = here.plan.runtime
    const machine = await machineFacts(runtime === 'kind' ? here.plan.cluster.kubernetes : undefined)
    const workspace = subject.plan.workspace.name
    const baseline = await wish.baseline?.({ workspace, runtime, machineClass: machine.class })
    const other = wish.commit === undefined ? [] : [await openCommit(stages, wish.commit, subject, wish.params)]
    const sides = [here, ...other]
    for (const { stage, side } of wish.what === 'build' ? [] : sides) {
      teller.begin(`bringing ${side.name} to life, which is not measured`)
      await timedStart(stage, subject.services, signal)
    }
    const roundTripMs = await roundTrip(here.stage)
    const { series, remarks, builds } = await measureAll(wish, subject, sides, { signal, teller })

    const side = here.side.name
    const stored = baseline && pairWith(baseline, series, { machine, runtime, side })
    const pairs: Pair[] = [
      ...other.flatMap((one) => pairsOf(series, { side, base: one.side.name }, true)),
      ...(stored?.pairs ?? []),
    ]
    const comparisons = compare(pairs)
    const summarised = withSummaries(series)
    const own = series.filter((one) => one.side === side)
    return {
      version: 1,
      kind: 'bench',
      id: randomUUID(),
      startedAt,
      durationMs: performance.now() - began,
      shiv: RELEASE,
      workspace,
      services: subject.services,
      runtime,
      machine,
      sides: [...sides.map((one) => one.side), ...(baseline ? [baseline.side] : [])],
      series: summarised,
      comparisons,
      gates: wish.gates.flatMap((gate) => judgeGate(gate, own, comparisons)),
      advice: await adviseAll(here, subject, series, builds),
      remarks: [...stages.remarks, ...gitRemarks(subject), ...remarks, ...(stored?.remarks ?? []), ...weatherRemarks(summarised)],
      harness: { sampleMs: await harnessCost(), roundTripMs },
      isInterrupted: signal.aborted,
    }
  } finally {
    teller.begin('removing what was measured')
    await stages.close().catch((error: unknown) => teller.begin(leftOver(stages.folder, error)))
  }
}

async function measureAll(
  { what, allowance }: BenchWish,
  subject: Subject,
  sides: readonly RunningSide[],
  tools: { signal: AbortSignal; teller: Teller },
) {
  const wants = (kind: What): boolean => what === kind || what === 'all'
  const loops = wants('loop')
    ? await openLoops(sides, subject, what === 'loop')
    : { variants: [], remarks: [], close: async () => {} }
  const builds = wants('build')
    ? await buildVariants(sides, subject, what === 'build')
    : { variants: [] as Variant[][], remarks: [], results: new Map() }
  const starts = wants('start')
    ? sides.map(({ stage }) => startVariants(stage, subject.plan.workspace.name, subject.services))
    : []
  const [loopGroups, otherGroups] = [grouped(loops.variants), [...grouped(builds.variants), ...grouped(starts)]]
  const all = loopGroups.length + otherGroups.length
  const part = (count: number): Allowance => ({
    ...allowance,
    ...(allowance.budgetMs !== undefined && { budgetMs: (allowance.budgetMs * count) / Math.max(1, all) }),
  })
  const looped = await takeMeasures(loopGroups, part(loopGroups.length), tools).finally(loops.close)
  // What runs would reload each time that a build's edit is saved.
  if (wants('build')) await Promise.all(sides.map(({ stage }) => stopRun(stage)))
  const rest = await takeMeasures(otherGroups, part(otherGroups.length), tools)
  return { series: [...looped, ...rest], remarks: [...loops.remarks, ...builds.remarks], builds: builds.results }
}

/** Stops what a stage runs, if it runs anything; its data stays. */
async function stopRun(stage: Stage): Promise<void> {
  const { runs } = await stage.call<StatusResult>({ method: 'status', params: { path: stage.root, services: [], all: true } })
  if (runs.length > 0) await stage.call({ method: 'stop', params: { path: stage.root, services: [], purge: false } })
}

function gitRemarks({ repository, root }: Subject): string[] {
  if (!repository) return [`${root} is in no git repository: history cannot name the commit of this run`]
  return repository.isShallow ? ['this clone is shallow: commits before its beginning cannot be measured or named'] : []
}

/** What a request to the daemon costs that does nothing, milliseconds. */
async function roundTrip(stage: Stage): Promise<number> {
  const times: number[] = []
  for (let i = 0; i < 15; i += 1) {
    const began = performance.now()
    await stage.call({ method: 'hello' })
    times.push(performance.now() - began)
  }
  return median(times)
}

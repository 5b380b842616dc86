import { buildWorkspace } from './build.ts'
import { adoptRuns, loadRuns } from './adopt.ts'
import { testServices } from './test.ts'
import { execIn, logsOf, parityOf, planOfWorkspace, statusOfRuns } from './look.ts'
import type { Ask, EngineParts } from './parts.ts'
import type { BuildWish } from './ports.ts'
import type { Workshop } from './workshop.ts'
import type { Plan } from '../plan/types.ts'
import { createQueue } from './queue.ts'
import type {
  BuildResult,
  DependenciesResult,
  DependencyTailResult,
  ExecResult,
  LoopsResult,
  LogsResult,
  ParityResult,
  RecordingCheckResult,
  RestartResult,
  RunStatus,
  StartParams,
  TestResult,
  StartResult,
  StopResult,
  Target,
  VerifyResult,
  WhyResult,
} from './results.ts'
import { deployService, planDeploy } from './deploy/deploy.ts'
import { deployedLogs, deployHistory, deployStatus } from './deploy/look.ts'
import type {
  DeployHistoryResult,
  DeployParams,
  DeployResult,
  DeployStatusResult,
  DryRunResult,
  RollbackParams,
} from './deploy/results.ts'
import { rollbackService } from './deploy/rollback.ts'
import type { LogQuery } from './ports.ts'
import { closeDependencies } from './dependencies/attach.ts'
import { listDependencies, switchFaults, switchMode, tailDependencies, type DependencyTarget } from './dependencies/operations.ts'
import type { DependencyAddress } from './dependency-ports.ts'
import type { Faults, RemoteMode } from '../plan/remote.ts'
import { endReload } from './reload/attach.ts'
import { loopsOf, verifyRun } from './reload/look.ts'
import { createRunStore } from './run-store.ts'
import { startRun } from './start.ts'
import { removeRun, restartRun, stopRun } from './stop.ts'
import { whyOf } from './why.ts'
import { operate } from './work.ts'

/** Keeps runs: one operation at a time on a workspace, workspaces side by side. */
export interface Engine {
  start(params: StartParams, ask: Ask): Promise<StartResult>
  stop(params: Target & { purge: boolean }, ask: Ask): Promise<StopResult>
  restart(params: Target, ask: Ask): Promise<RestartResult>
  status(params: Target & { all: boolean }): Promise<RunStatus[]>
  plan(params: StartParams): Promise<Plan>
  parity(params: StartParams & { verify: boolean }, ask: Ask): Promise<ParityResult>
  /** Builds what a start would build, and starts nothing. */
  build(params: StartParams & BuildWish, ask: Ask): Promise<BuildResult>
  why(params: StartParams & { files: string[] }): Promise<WhyResult>
  logs(params: Target & { sources: string[]; follow: boolean; tail?: number; since?: number }, ask: Ask): Promise<LogsResult>
  exec(params: Target & { argv: string[] }, ask: Ask): Promise<ExecResult>
  test(params: StartParams, ask: Ask): Promise<TestResult>
  loops(params: Target & { after?: number }, ask: Ask): Promise<LoopsResult>
  verify(params: Target, ask: Ask): Promise<VerifyResult>
  /** Dependencies outside of the workspace, all or those named. */
  proxy(params: { path: string; names: string[] }): Promise<DependenciesResult>
  proxyTail(params: { path: string; names: string[]; follow: boolean; tail?: number }, ask: Ask): Promise<DependencyTailResult>
  /** Without `mode`: as service.yaml has it. */
  proxyMode(params: DependencyTarget & { mode?: RemoteMode }): Promise<DependenciesResult>
  /** `faults: null`: none. */
  proxyFault(params: DependencyTarget & { faults?: Faults | null }): Promise<DependenciesResult>
  /** Files are absolute. */
  recordingCheck(params: { file: string }): Promise<RecordingCheckResult>
  recordingMerge(params: { files: string[]; into: string }): Promise<null>
  /** Where services of a run reach the proxy of a dependency on this machine. */
  dependencyAddress(runId: string, name: string): DependencyAddress | undefined
  /** Where a service of a workspace answers on this machine, for those that call it. */
  serviceUrl(workspace: string, service: string): string | undefined
  deploy(params: DeployParams, ask: Ask): Promise<DeployResult>
  deployPlan(params: DeployParams, ask: Ask): Promise<DryRunResult>
  deployStatus(params: DeployParams, ask: Ask): Promise<DeployStatusResult>
  deployHistory(params: DeployParams, ask: Ask): Promise<DeployHistoryResult>
  deployLogs(params: DeployParams & Omit<LogQuery, 'sources'>, ask: Ask): Promise<LogsResult>
  rollback(params: RollbackParams, ask: Ask): Promise<DeployResult>
  /** Types of the databases that runs have on the embedded runtime, stopped ones too. */
  processDatabases(): Promise<Set<string>>
  /** Whether anything runs or is being worked on. */
  isNeeded(): boolean
  /** Resolves when nobody works. */
  idle(): Promise<void>
  /** Gives up what is being done, then lets go of every run: what runs goes on, unless `keepRuns` is false. */
  close(options: { keepRuns: boolean }): Promise<void>
}

/** Opens the engine and begins to take over the runs of the daemon before; operations on those wait for it. */
export function openEngine(parts: EngineParts): Engine {
  const shop: Workshop = { parts, store: createRunStore(parts.home), queue: createQueue(), runs: new Map() }
  const closing = new AbortController()
  const loaded = loadRuns(shop)
  const adopted = loaded.then(() => adoptRuns(shop, closing.signal))
  adopted.catch((error: unknown) => parts.log.error('the runs of the daemon before were not found', { cause: String(error) }))

  const living = () => [...shop.runs.values()].filter((run) => run.record.state !== 'stopped')
  const whileOpen = (ask: Ask): Ask => ({ ...ask, signal: AbortSignal.any([ask.signal, closing.signal]) })
  /** Those that queue wait there for their own run to be taken over; those that do not wait for all. */
  const after =
    <P, R>(ready: Promise<void>, operation: (shop: Workshop, params: P, ask: Ask) => Promise<R>) =>
    async (params: P, ask: Ask): Promise<R> => {
      await ready
      return operation(shop, params, whileOpen(ask))
    }

  /** Those that no caller has to wait in a queue for. */
  const unqueued =
    <P, R>(ready: Promise<void>, operation: (shop: Workshop, params: P) => R | Promise<R>) =>
    async (params: P): Promise<R> => {
      await ready
      return operation(shop, params)
    }

  return {
    start: after(loaded, startRun),
    stop: after(loaded, stopRun),
    restart: after(loaded, restartRun),
    build: after(loaded, buildWorkspace),
    parity: after(adopted, parityOf),
    logs: after(adopted, logsOf),
    exec: after(adopted, execIn),
    test: after(adopted, testServices),
    verify: after(adopted, verifyRun),
    proxyTail: after(adopted, tailDependencies),
    proxy: unqueued(adopted, listDependencies),
    proxyMode: unqueued(adopted, switchMode),
    proxyFault: unqueued(adopted, switchFaults),
    async recordingCheck({ file }) {
      return { version: 1, file, faults: await (await parts.dependencies()).checkRecording(file) }
    },
    async recordingMerge({ files, into }) {
      await (await parts.dependencies()).mergeRecordings(files, into)
      return null
    },
    dependencyAddress: (runId, name) => shop.runs.get(runId)?.dependencies?.address(name),
    deploy: after(loaded, deployService),
    deployPlan: after(loaded, planDeploy),
    deployStatus: after(loaded, deployStatus),
    deployHistory: after(loaded, deployHistory),
    deployLogs: after(loaded, deployedLogs),
    rollback: after(loaded, rollbackService),
    loops: after(loaded, loopsOf),
    status: unqueued(adopted, statusOfRuns),
    plan: unqueued(loaded, planOfWorkspace),
    why: unqueued(loaded, whyOf),
    serviceUrl: (workspace, service) =>
      living()
        .find((run) => run.record.workspace.name === workspace)
        ?.routes.address(service)?.directUrl,
    async processDatabases() {
      await loaded
      const plans = [...shop.runs.values()].flatMap(({ record }) => (record.runtime === 'process' ? [record.plan] : []))
      return new Set(plans.flatMap((plan) => plan.databases.map((database) => database.type)))
    },
    isNeeded: () => shop.queue.busy() || living().length > 0,
    idle: () => shop.queue.idle(),
    async close({ keepRuns }) {
      closing.abort()
      await adopted.catch(() => {}) // logged when it failed
      await shop.queue.idle()
      if (!keepRuns) {
        const ask: Ask = {
          by: { command: 'shiv daemon', pid: process.pid },
          signal: new AbortController().signal,
          emit: async () => {},
        }
        await Promise.all(
          living().map((run) => operate(shop, run.record.workspace.root, ask, (work) => removeRun(shop, run, false, work))),
        )
      }
      const attached = living().filter((run) => run.isAttached)
      await Promise.all(
        attached.map(async (run) => {
          await endReload(run)
          await (await parts.runtime(run.record.runtime)).release(run.id)
        }),
      )
      await Promise.all([...shop.runs.values()].map((run) => closeDependencies(run)))
    },
  }
}

import { ShivError } from '../../core/errors.ts'
import { makePrivateFolder } from '../../core/private-folder.ts'
import type { DependencyAddress } from '../../engine/dependency-ports.ts'
import type { LiveState, Probe, RunContext, Runtime } from '../../engine/ports.ts'
import type { Plan } from '../../plan/types.ts'
import { ActiveRun } from './active-run.ts'
import { addressesOfWorld } from './addresses.ts'
import { isLiving } from './charge.ts'
import { forgetPreparation, prepareService } from './prepare-service.ts'
import { execInService } from './exec.ts'
import { liveState, readViews } from './live-state.ts'
import { readLogs } from './logs.ts'
import { takeReadings } from './readings.ts'
import { placeOf, reconcileRun } from './reconcile.ts'
import { reloadPort } from './reload.ts'
import { readRecords } from './records.ts'
import { removeRun } from './remove.ts'
import { restartService } from './restart.ts'
import type { SpareScripts } from './spare.ts'

export interface ProcessRuntimeOptions {
  /** `shivHome()`: ports.json and the engines' copies live there. */
  home: string
  /** The front door's URL of a service, for the environment of those that call it; where it is undefined they get the first replica's address. */
  serviceUrl?(workspace: string, service: string): string | undefined
  /** Where a run's proxy of a dependency listens; undefined while it does not. */
  dependencyAddress?(runId: string, name: string): DependencyAddress | undefined
  /** By interpreter the program by which a spare waits for its turn; without one there is none. */
  spareScripts?: SpareScripts
}

/** The embedded runtime: services as child processes, databases from embedded or installed servers, no container. */
export function createProcessRuntime(options: ProcessRuntimeOptions): Runtime {
  const runs = new Map<string, ActiveRun>()
  const { home } = options

  const outside = ({ workspace }: Plan, { runId }: RunContext) => ({
    serviceUrl: (service: string) => options.serviceUrl?.(workspace.name, service),
    dependency: (name: string) => options.dependencyAddress?.(runId, name),
  })
  const enter = (plan: Plan, context: RunContext): ActiveRun => {
    makePrivateFolder(context.runDir)
    const addresses = { databases: new Map(), services: new Map(), serviceUrl: () => undefined, dependency: () => undefined }
    const run = runs.get(context.runId) ?? new ActiveRun(plan, context, addresses, options.spareScripts)
    run.plan = plan
    run.context = context
    runs.set(context.runId, run)
    return run
  }
  const bring = async (plan: Plan, context: RunContext, adopting: boolean): Promise<LiveState> => {
    const run = enter(plan, context)
    if (!adopting) await run.reloads.endAll()
    await reconcileRun(run, { home, ...outside(plan, context), adopting })
    run.republish()
    for (const { name } of plan.services) run.prepareSpare(name)
    return read(plan, context)
  }
  const read = async (plan: Plan, context: RunContext): Promise<LiveState> => {
    const run = runs.get(context.runId)
    return liveState(plan, context, await readViews(plan, context, run), run?.versions ?? new Map())
  }
  const lives = ({ runDir }: RunContext) => readRecords(runDir).some((record) => isLiving(record) || record.state === 'replaced')
  const needRun = async (plan: Plan, context: RunContext): Promise<ActiveRun> => {
    if (!runs.has(context.runId) && lives(context)) await bring(plan, context, true)
    const run = runs.get(context.runId)
    if (run !== undefined) return run
    throw new ShivError('Nothing of this workspace is running.', { code: 'RUN_NOT_STARTED', hint: 'shiv start' })
  }

  return {
    name: 'process',
    probe: async () => probe(),
    reconcile: (plan, context) => bring(plan, context, false),
    adopt: async (plan, context) => (lives(context) ? bring(plan, context, true) : undefined),
    read,
    readings: async (plan, targets, context) =>
      takeReadings(plan, targets, context, await readViews(plan, context, runs.get(context.runId))),
    logs: (_plan, query, context) => readLogs(query, context),
    exec: async (plan, service, argv, context) =>
      execInService({ plan, context, addresses: await addressesOfWorld(plan, context, outside(plan, context)) }, service, argv),
    build: async (plan, { fresh, discard }, context) => {
      if (discard) return []
      if (fresh) forgetPreparation(home, context.runId)
      for (const service of plan.services) await prepareService(service, context, home)
      return []
    },
    restart: async (plan, service, context) => restartService(await needRun(plan, context), service, context, home),
    remove: async (plan, { purge }, context) => {
      const run = runs.get(context.runId)
      run?.clock.close()
      await run?.spares.end()
      await run?.reloads.endAll()
      await removeRun(plan, context, run, { purge, place: placeOf({ context }, { home }) })
      runs.delete(context.runId)
    },
    reload: reloadPort({ home, needRun, runOf: (runId) => runs.get(runId) }),
    release: async (runId) => {
      await runs.get(runId)?.release()
      runs.delete(runId)
    },
  }
}

function probe(): Probe {
  if (process.platform === 'win32') {
    return {
      available: false,
      code: 'PROCESS_PLATFORM',
      reason: 'Windows has no process groups as the embedded runtime needs them',
      hint: 'run shiv in WSL2: wsl --install',
    }
  }
  return { available: true, detail: `processes on ${process.platform} ${process.arch}` }
}

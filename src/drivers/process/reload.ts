import { toErrorShape } from '../../core/errors.ts'
import type { ReloadOrder, ReloadOutcome, ReloadPort, ReplicaOutcome, RunContext } from '../../engine/ports.ts'
import type { Plan } from '../../plan/types.ts'
import type { ActiveRun } from './active-run.ts'
import { recordsInCharge } from './charge.ts'
import { needService } from './exec.ts'
import { prepareService } from './prepare-service.ts'
import { readRecords } from './records.ts'
import { canOverlap, overlapReplicas } from './reload-overlap.ts'
import { replaceProcesses } from './reload-replace.ts'
import { serviceSpecs } from './service-specs.ts'
import type { Supervisor } from './supervise.ts'
import { sendSignal } from './terminate.ts'
import { untilHealthy } from './until-healthy.ts'

/** When the files of a service are fingerprinted anew after a reload: not while somebody waits for an answer. */
const QUIET_MS = 1_000

export interface ReloadTools {
  home: string
  needRun(plan: Plan, context: RunContext): Promise<ActiveRun>
  runOf(runId: string): ActiveRun | undefined
}

/** Hot reload of processes: the working copy is what runs, so nothing is sent; an order is obeyed by starting anew. */
export function reloadPort(tools: ReloadTools): ReloadPort {
  return {
    async prepare(plan, service, context, changed) {
      await prepareService(needService(plan, service), context, tools.home, changed)
    },
    async apply(plan, order, context) {
      const run = await tools.needRun(plan, context)
      const { name } = order.service
      run.setCharge(name, { sequence: order.sequence, mark: order.mark })
      return run.reloads.run(name, order.signal, (signal) => obey(run, { ...order, signal }, context, tools.home))
    },
    async holdings(_plan, service, context) {
      return startsOf(tools.runOf(context.runId), service, context).map(({ replica, startedBy }) => ({
        replica,
        mark: startedBy?.mark,
        sequence: startedBy?.sequence,
      }))
    },
    async verify(_plan, service, expected, context) {
      const run = tools.runOf(context.runId)
      const newest = run?.order(service)
      return startsOf(run, service, context).map(({ replica, startedBy }) => {
        const isNewest = newest === undefined || startedBy?.mark === newest.mark
        const whole = { path: '.', expected: newest?.mark ?? '', actual: startedBy?.mark }
        return { replica, checked: expected.size, differing: isNewest ? [] : [whole] }
      })
    },
  }
}

async function obey(run: ActiveRun, order: ReloadOrder, context: RunContext, home: string): Promise<ReloadOutcome> {
  const { name } = order.service
  const processes = run.ofSource(name)
  // None was started yet: those that will be read the files as they are then.
  if (processes.length === 0) return { replicas: [] }
  if (order.restart !== 'process') return { replicas: await tell(processes, order) }
  const lacking = lackingSecrets(processes)
  if (lacking !== undefined) return { replicas: processes.map((one) => keptOld(one, lacking)) }

  const speak = run.silence(name)
  try {
    const replicas = processes.filter(({ spec }) => spec.unit === name)
    const workers = processes.filter(({ spec }) => spec.unit !== name)
    const overlapped = canOverlap(run, order, replicas)
      ? await overlapReplicas(run, replicas, { order, context, home, speak })
      : undefined
    if (overlapped === undefined) return { replicas: await replaceProcesses(run, processes, order, { hold: true, speak }) }
    const isNew = overlapped.every(({ state }) => state === 'ready')
    const rest = isNew ? await replaceProcesses(run, workers, order, { hold: false, speak }) : workers.map((one) => keptOld(one))
    return { replicas: [...overlapped, ...rest] }
  } finally {
    speak()
    run.prepareSpare(name)
    run.reloads.whenQuiet(name, QUIET_MS, () => refreshHashes(run, name, context))
  }
}

/** A signal, or nothing: the process reads its files by itself. */
async function tell(processes: Supervisor[], order: ReloadOrder): Promise<ReplicaOutcome[]> {
  const { restart, sequence, mark } = order
  for (const { identity } of processes)
    // One that ended a moment ago is started anew by its supervisor, with the files as they are.
    if (typeof restart === 'object' && identity !== undefined) sendSignal(identity.pid, restart.signal as NodeJS.Signals)
  order.passed('restarted')
  const outcomes = await Promise.all(
    processes.map(async (one): Promise<ReplicaOutcome> => {
      const id = one.spec.replica
      const verdict = await untilHealthy(one.spec.health, order.signal)
      if (!verdict.ok) return { id, state: 'failed', cause: verdict.reason, evidence: one.evidence() }
      one.obeyed({ sequence, mark })
      return { id, state: 'ready' }
    }),
  )
  order.passed('ready')
  return outcomes
}

/** Known before anything is ended: a process that could not be started again goes on. */
function lackingSecrets(processes: Supervisor[]): string | undefined {
  try {
    for (const { spec } of processes) spec.secrets?.()
    return undefined
  } catch (error) {
    return toErrorShape(error).message
  }
}

function keptOld({ spec, state }: Supervisor, cause = 'the new version did not become ready'): ReplicaOutcome {
  return { id: spec.replica, state: 'failed', cause, isServingOld: state === 'ready' }
}

/** So that the next start knows that what runs has been started with the files as they are. */
function refreshHashes(run: ActiveRun, name: string, context: RunContext): void {
  const service = run.service(name)
  if (service === undefined) return
  const specs = serviceSpecs({ plan: run.plan, context, addresses: run.addresses, lacksSecrets: true }, service)
  for (const one of run.ofSource(name)) {
    const hash = specs.find(({ replica }) => replica === one.spec.replica)?.hash
    if (hash !== undefined) one.rehash(hash)
  }
}

function startsOf(run: ActiveRun | undefined, service: string, context: RunContext) {
  if (run !== undefined) return run.ofSource(service).map(({ spec, startedBy }) => ({ replica: spec.replica, startedBy }))
  const { chosen } = recordsInCharge(context.runDir, readRecords(context.runDir))
  return [...chosen.values()].filter(({ source }) => source === service)
}

import { isAlive } from '../../core/process-identity.ts'
import type { DatabaseState, Endpoint, LiveState, ReplicaState, RunContext, ServiceState } from '../../engine/ports.ts'
import type { DatabasePlan, Plan, ServicePlan } from '../../plan/types.ts'
import { databaseValues, readCredentials, type Credentials } from '../database/credentials.ts'
import { databaseHealth } from '../database/database-health.ts'
import type { ActiveRun } from './active-run.ts'
import { readCronState } from './cron.ts'
import { recordsInCharge } from './charge.ts'
import { readRecords, type ProcessRecord } from './records.ts'
import { healthOf } from './service-specs.ts'

/** One process as it is now, whether this daemon watches it or only its record tells of it. */
export interface ProcessView extends Pick<
  ProcessRecord,
  'id' | 'replica' | 'kind' | 'source' | 'unit' | 'ports' | 'debug' | 'since' | 'restarts' | 'cause'
> {
  state: ReplicaState
  pid: number | undefined
}

/** What a run's processes are doing: by the supervisors that watch them, else by their records, each asked for its health once. */
export async function readViews(plan: Plan, context: RunContext, run: ActiveRun | undefined): Promise<ProcessView[]> {
  if (run !== undefined) {
    return [...run.supervisors.values()].map(({ spec, state, cause, since, restarts, identity }) => {
      const { id, replica, kind, source, unit, ports, debug } = spec
      return { id, replica, kind, source, unit, ports, debug, since, restarts, cause, state, pid: identity?.pid }
    })
  }
  const credentials = await readCredentials(context.runDir)
  return Promise.all(
    [...recordsInCharge(context.runDir, readRecords(context.runDir)).chosen.values()].map(async (record) => {
      const state = await stateOf(record, plan, credentials)
      return { ...record, state, pid: state === 'ready' || state === 'unready' ? record.identity?.pid : undefined }
    }),
  )
}

async function stateOf(record: ProcessRecord, plan: Plan, credentials: Record<string, Credentials>): Promise<ReplicaState> {
  if (record.identity === undefined || !isAlive(record.identity)) return 'crashed'
  const service = plan.services.find(({ name }) => name === record.source)
  const database = plan.databases.find(({ name }) => name === record.source)
  const login = credentials[record.source]
  const health =
    record.kind === 'database' && database !== undefined && login !== undefined
      ? databaseHealth(database, login, record.ports[database.type] ?? 0)
      : service && healthOf(service, record.ports)
  if (health === undefined) return 'unready'
  return (await health.probe(AbortSignal.timeout(2_000))).ok ? 'ready' : 'unready'
}

export async function liveState(
  plan: Plan,
  context: RunContext,
  views: ProcessView[],
  versions: Map<string, string>,
): Promise<LiveState> {
  const credentials = await readCredentials(context.runDir)
  return {
    services: plan.services.flatMap((service) => serviceStates(service, views)),
    databases: plan.databases.map((database) =>
      databaseState(database, views, credentials[database.name], versions.get(database.name)),
    ),
    cron: readCronState(plan.services, context.runDir),
  }
}

/** The service, and each of its workers as a service of its own, as they are workloads of their own in the cluster. */
function serviceStates(service: ServicePlan, views: ProcessView[]): ServiceState[] {
  const state = (name: string, kind: ServiceState['kind'], desired: number): ServiceState => {
    const own = views.filter(({ unit, kind }) => unit === name && kind !== 'database')
    const debug = own.find((view) => view.debug !== undefined && view.state !== 'crashed')?.debug
    return {
      name,
      kind,
      desired,
      replicas: own.map(({ replica: id, state, restarts, cause, since, pid }) => ({
        id,
        state,
        restarts,
        since,
        ...(cause !== undefined && { cause }),
        ...(pid !== undefined && { pid }),
      })),
      endpoints: kind === 'service' ? endpointsOf(service, own) : {},
      ...(debug !== undefined && { debug }),
    }
  }
  return [
    state(service.name, service.kind, service.replicas.min),
    ...service.workers.map((worker) => state(`${service.name}-${worker.name}`, 'worker', worker.replicas)),
  ]
}

function endpointsOf(service: ServicePlan, views: ProcessView[]): Record<string, Endpoint[]> {
  const ready = views.filter(({ state }) => state === 'ready')
  return Object.fromEntries(
    service.ports.map(({ name }) => [
      name,
      ready.flatMap(({ ports }) => (ports[name] === undefined ? [] : [{ host: '127.0.0.1', port: ports[name] }])),
    ]),
  )
}

function databaseState(
  database: DatabasePlan,
  views: ProcessView[],
  credentials: Credentials | undefined,
  version: string | undefined,
): DatabaseState {
  const view = views.find(({ id }) => id === `@${database.name}`)
  const port = view?.ports[database.type] ?? 0
  const url = credentials === undefined || view === undefined ? '' : databaseValues(database, credentials, port).url
  return {
    name: database.name,
    type: database.type,
    version: version ?? database.version,
    state: view?.state ?? 'stopped',
    url,
    host: '127.0.0.1',
    port,
    ...(view?.cause !== undefined && { cause: view.cause }),
  }
}

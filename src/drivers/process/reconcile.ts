import { ShivError } from '../../core/errors.ts'
import type { RunContext } from '../../engine/ports.ts'
import type { DatabasePlan, ServicePlan } from '../../plan/types.ts'
import type { Addresses } from './service-environment.ts'
import { ensureCredentials } from '../database/credentials.ts'
import { existingFolder, prepareDatabase, type DatabaseContext } from '../database/prepare-database.ts'
import { ActiveRun } from './active-run.ts'
import { isKept, isLiving, recordsInCharge } from './charge.ts'
import { allocateAddresses } from './addresses.ts'
import { armCronJobs, cronMark } from './cron.ts'
import { hashOf } from './hash.ts'
import { createPortRegistry } from './port-registry.ts'
import { prepareService } from './prepare-service.ts'
import type { ProcessSpec } from './process-spec.ts'
import { readRecords, removeRecord, type ProcessRecord } from './records.ts'
import { replicaOf } from './seats.ts'
import { runToEnd } from './run-to-end.ts'
import { serviceSpecs, settingOf, type ServiceScope } from './service-specs.ts'
import { sweepStrays } from './sweep.ts'
import { terminate } from './terminate.ts'

export interface ReconcileOptions {
  home: string
  serviceUrl: Addresses['serviceUrl']
  dependency: Addresses['dependency']
  /** Adopting: what lives is kept as it is, and what is dead is started in the background. */
  adopting: boolean
}

/** Makes the run what its Plan says: what is as it should be stays, what differs is replaced, what left the Plan ends. */
export async function reconcileRun(run: ActiveRun, options: ReconcileOptions): Promise<void> {
  const { plan, context } = run
  const { chosen: records, left } = recordsInCharge(context.runDir, readRecords(context.runDir))
  await endWhatLeft(run, options, records, left)
  run.addresses = await addressesOf(run, options)

  // The first failure ends the others' waiting; nothing of this call goes on in the background after it has thrown.
  const failing = new AbortController()
  const scoped: RunContext = { ...context, signal: AbortSignal.any([context.signal, failing.signal]) }
  const scope: ServiceScope = { plan, context: scoped, addresses: run.addresses, lacksSecrets: true }
  const begun = new Map<string, Promise<void>>()
  const begin = (key: string, work: () => Promise<void>) => {
    const done = work()
    done.catch((error: unknown) => failing.abort(error))
    begun.set(key, done)
  }
  for (const database of plan.databases)
    begin(`database ${database.name}`, () => bringDatabase(run, database, scoped, options, records))
  for (const service of plan.services) {
    const needs = () =>
      Promise.all([
        ...service.databases.map((name) => begun.get(`database ${name}`)),
        ...service.dependencies.map((name) => begun.get(`service ${name}`)),
      ])
    begin(`service ${service.name}`, () => bringService(run, service, scope, options, records, needs))
  }
  await Promise.allSettled(begun.values())
  if (failing.signal.aborted) throw reasonOf(failing.signal, context.signal)
}

/** Where the databases of a run live. */
export function placeOf({ context }: { context: RunContext }, { home }: { home: string }): DatabaseContext {
  const { runId, runDir, signal } = context
  return { home, runId, runDir, signal, path: context.environment['PATH'] }
}

/** The failure itself, not the abort that it caused elsewhere. */
function reasonOf(failing: AbortSignal, asked: AbortSignal): unknown {
  if (!asked.aborted) return failing.reason
  if (asked.reason instanceof ShivError) return asked.reason
  return new ShivError('Interrupted.', { code: 'INTERRUPTED', exit: 130, hint: 'start again to complete it: shiv start' })
}

async function addressesOf(run: ActiveRun, options: ReconcileOptions) {
  const { plan, context } = run
  return allocateAddresses(plan, context, {
    registry: createPortRegistry(options.home),
    records: readRecords(context.runDir),
    credentials: await ensureCredentials(context.runDir, plan.databases),
    serviceUrl: options.serviceUrl,
    dependency: options.dependency,
  })
}

/** Processes of records that the Plan no longer names, those beside the ones in charge, and processes that no record names. */
async function endWhatLeft(
  run: ActiveRun,
  options: ReconcileOptions,
  records: Map<string, ProcessRecord>,
  beside: ProcessRecord[],
): Promise<void> {
  const { plan, context } = run
  const wanted = new Set([
    ...plan.databases.map(({ name }) => `@${name}`),
    ...plan.services.flatMap((service) => [
      ...Array.from({ length: service.replicas.min }, (_, index) => `${service.name}.${index + 1}`),
      ...service.workers.flatMap((worker) =>
        Array.from({ length: worker.replicas }, (_, index) => `${service.name}.${worker.name}.${index + 1}`),
      ),
    ]),
  ])
  const left = [...records.values()].filter(({ id }) => !wanted.has(replicaOf(id)))
  await Promise.all(
    left.map(async ({ id, identity, stop }) => {
      await run.drop(id)
      if (identity !== undefined) await terminate(identity, stop)
      removeRecord(context.runDir, id)
      records.delete(replicaOf(id))
    }),
  )
  await Promise.all(
    beside.map(async ({ id, identity, stop }) => {
      if (identity !== undefined) await terminate(identity, stop)
      removeRecord(context.runDir, id)
    }),
  )
  const crons = new Set(plan.services.flatMap((service) => service.cron.map(({ name }) => cronMark(service.name, name))))
  const marks = new Set(
    [...records.values()].flatMap((record) => (isLiving(record) ? [record.id, record.markedAs ?? record.id] : [])),
  )
  const folders = await Promise.all(
    plan.databases.map(async ({ name }) => [`@${name}`, await existingFolder(name, placeOf(run, options))] as const),
  )
  await sweepStrays(context.runDir, new Map(folders), (id) => marks.has(id) || crons.has(id) || run.spares.marks().includes(id))
}

async function bringDatabase(
  run: ActiveRun,
  database: DatabasePlan,
  context: RunContext,
  options: ReconcileOptions,
  records: Map<string, ProcessRecord>,
): Promise<void> {
  const work = async () => {
    const credentials = (await ensureCredentials(context.runDir, run.plan.databases))[database.name] ?? {
      user: '',
      password: '',
      name: '',
    }
    const port = Number(run.addresses.databases.get(database.name)?.port)
    const { spec, engine } = await prepareDatabase(database, credentials, port, {
      ...placeOf(run, options),
      signal: context.signal,
    })
    run.versions.set(database.name, engine.version)
    await bring(run, spec, context, options, records)
  }
  if (options.adopting || isSettled(run, [`@${database.name}`])) return work()
  await context.step(`database ${database.name}`, work)
}

async function bringService(
  run: ActiveRun,
  service: ServicePlan,
  scope: ServiceScope,
  options: ReconcileOptions,
  records: Map<string, ProcessRecord>,
  needs: () => Promise<unknown>,
): Promise<void> {
  const { context } = scope
  const prepared = options.adopting ? undefined : prepareService(service, context, options.home)
  await Promise.all([prepared, needs()])
  const specs = serviceSpecs(scope, service)
  const due = specs.filter((spec) => !isAsWanted(run, spec, records))
  if (!options.adopting && due.length > 0) {
    await migrate(scope, service)
    await context.step(`start ${service.name}`, () => roll(run, specs, context, options, records))
  } else await roll(run, specs, context, options, records)
  arm(run, service)
}

/** One replica after the other where there are several that live already, so that one always serves; all at once on a first start. */
async function roll(
  run: ActiveRun,
  specs: ProcessSpec[],
  context: RunContext,
  options: ReconcileOptions,
  records: Map<string, ProcessRecord>,
): Promise<void> {
  const lives = ({ id }: ProcessSpec) => isLiving(records.get(replicaOf(id)))
  await Promise.all(specs.filter((spec) => !lives(spec)).map((spec) => bring(run, spec, context, options, records)))
  for (const spec of specs.filter(lives)) await bring(run, spec, context, options, records)
}

/** Keeps, adopts, replaces or starts one process. */
async function bring(
  run: ActiveRun,
  spec: ProcessSpec,
  context: RunContext,
  options: ReconcileOptions,
  records: Map<string, ProcessRecord>,
): Promise<void> {
  context.signal.throwIfAborted()
  const record = records.get(replicaOf(spec.id))
  const held = run.supervisors.get(replicaOf(spec.id))
  const keep = isKept(record) && (options.adopting || isSame(record, spec))
  if (keep && held?.identity !== undefined) return options.adopting ? undefined : held.confirm(context.signal)
  if (keep) {
    const adopted = run.take({
      ...spec,
      id: record.id,
      ports: record.ports,
      debug: record.debug,
      hash: record.hash,
      opensDebuggerLate: record.opensDebuggerLate,
    })
    await adopted.adopt(record, record.identity)
    return options.adopting ? undefined : adopted.confirm(context.signal)
  }
  await run.drop(spec.id)
  if (isLiving(record)) await terminate(record.identity, record.stop)
  const supervisor = run.take(spec)
  if (options.adopting && record !== undefined) return supervisor.revive(record)
  try {
    await supervisor.start(context.signal)
  } catch (error) {
    if (!supervisor.isOvertaken) throw error
    await run.reloads.ended(spec.source)
    run.supervisors.get(replicaOf(spec.id))?.mustBeReady()
  }
}

/** What started with a secret that this daemon does not know cannot be compared, and stays. */
function isSame(record: ProcessRecord, spec: ProcessSpec): boolean {
  return record.hash === spec.hash || spec.secrets !== undefined
}

function isAsWanted(run: ActiveRun, spec: ProcessSpec, records: Map<string, ProcessRecord>): boolean {
  const record = records.get(replicaOf(spec.id))
  return isKept(record) && isSame(record, spec) && (run.supervisors.get(replicaOf(spec.id))?.state ?? 'ready') === 'ready'
}

function isSettled(run: ActiveRun, ids: string[]): boolean {
  return ids.every((id) => run.supervisors.get(id)?.state === 'ready')
}

async function migrate(scope: ServiceScope, service: ServicePlan): Promise<void> {
  const { migrate: argv } = service
  if (argv === undefined) return
  const { context } = scope
  await context.step(`migrate ${service.name}`, async () => {
    const result = await runToEnd({
      ...settingOf({ ...scope, lacksSecrets: false }, service, argv),
      runDir: context.runDir,
      id: `${service.name}.migrate`,
      signal: context.signal,
    })
    if (result.code === 0) return
    throw new ShivError(`The migration of ${service.name} ${result.how}, so ${service.name} was not started.`, {
      code: 'PROCESS_MIGRATE_FAILED',
      evidence: result.evidence,
      hint: `see all of it: shiv logs ${service.name}`,
    })
  })
}

/** Schedules that are armed already go on, and with them the job that runs at this moment. */
function arm(run: ActiveRun, service: ServicePlan): void {
  const hash = hashOf([service.cron, service.root])
  const armed = run.crons.get(service.name)
  if (armed?.hash === hash) return
  void armed?.stop()
  run.crons.delete(service.name)
  if (service.cron.length === 0) return
  const setting = (argv: string[]) =>
    settingOf({ plan: run.plan, context: run.context, addresses: run.addresses }, run.service(service.name) ?? service, argv)
  run.crons.set(service.name, { hash, ...armCronJobs(service, setting, () => run.context) })
}

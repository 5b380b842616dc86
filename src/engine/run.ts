import type { ErrorShape } from '../core/errors.ts'
import { isServing, isWhole, withHealth } from './live.ts'
import type { RunDependencies } from './dependencies/run-dependencies.ts'
import { statusOf as dependencyStatus } from './dependencies/status.ts'
import type { EngineParts } from './parts.ts'
import type { LiveState, RunContext, RunEvent } from './ports.ts'
import type { ReloadStatus, RunStatus } from './results.ts'
import type { RunReloader } from './reload/run-reloader.ts'
import { createRoutes, type Routes } from './routes.ts'
import { nextCondition, type RunHappening } from './run-state.ts'
import type { RunRecord, RunStore } from './run-store.ts'

/** A Plan being kept real: its record on disk, its state, what is known of what lives. */
export interface Run {
  readonly id: string
  record: RunRecord
  readonly routes: Routes
  /** Values of the developer's own secrets, by variable; only here, never on disk. */
  secrets: Map<string, string>
  /** Of the caller of the last start: PATH and the like. In memory only. */
  environment: NodeJS.ProcessEnv
  /** Of `.env.local`, for credentials of dependencies. In memory only. */
  variables: NodeJS.ProcessEnv
  /** The services' own tests run beside every loop, as the last start asked. */
  withTests: boolean
  reloader: RunReloader | undefined
  /** Those outside of the workspace, while they are open. */
  dependencies: RunDependencies | undefined
  /** By service, as they were last asked for. */
  holdings: Map<string, ReloadStatus> | undefined
  /** A runtime watches over it in this process. */
  isAttached: boolean
  live: LiveState | undefined
  /** The only way its state changes; resolves when the change is on disk. */
  dispatch(happening: RunHappening): Promise<void>
  /** Writes what else changed in the record. */
  save(): Promise<void>
  /** Takes what a runtime found as what is known, and points the routes at it. */
  see(live: LiveState): Promise<void>
  context(work: { signal: AbortSignal; environment: NodeJS.ProcessEnv; step: RunContext['step'] }): RunContext
  /** Tells everybody who listens. */
  tell(event: RunEvent): void
  /** Hears every event of the run until the returned function is called. */
  listen(listener: (event: RunEvent) => void): () => void
  status(): RunStatus
}

export function createRun(initial: RunRecord, parts: EngineParts, store: RunStore): Run {
  const listeners = new Set<(event: RunEvent) => void>()
  const routes = createRoutes(initial.place, parts.frontDoor, parts.log, (event) => hear(event))

  const dispatch = async (happening: RunHappening): Promise<void> => {
    const { state, error } = run.record
    const next = nextCondition({ state, error }, happening)
    if (next.state === state && next.error === error) return
    const since = next.state === state ? run.record.since : Date.now()
    run.record = { ...run.record, state: next.state, since, error: next.error && parts.redactor.deep(next.error) }
    parts.log.info('run', { id: run.id, state: next.state, because: happening.type })
    await store.save(run.record)
  }

  const hear = (event: RunEvent): void => {
    if (event.kind === 'health' && run.live) {
      run.live = withHealth(run.live, event, Date.now())
      dispatch({ type: 'health', isWhole: isWhole(run.live) }).catch(notSaved)
    }
    if (event.kind === 'endpoints') void routes.point(event.service, event.port, event.endpoints).catch(() => {}) // the routes log it
    if (event.kind === 'warning') parts.log.warn(event.message, { id: run.id, code: event.code })
    for (const listener of listeners) listener(event)
  }
  const notSaved = (error: unknown): void =>
    parts.log.error('the record could not be written', { id: run.id, cause: String(error) })

  const run: Run = {
    id: initial.id,
    record: initial,
    routes,
    secrets: new Map(),
    environment: process.env,
    variables: {},
    withTests: false,
    reloader: undefined,
    dependencies: undefined,
    holdings: undefined,
    isAttached: false,
    live: undefined,
    dispatch,
    save: () => store.save(run.record),
    async see(live) {
      run.live = live
      for (const database of live.databases) parts.redactor.add(passwordOf(database.url))
      for (const service of live.services) {
        for (const [port, endpoints] of Object.entries(service.endpoints)) await routes.point(service.name, port, endpoints)
      }
    },
    context: ({ signal, environment, step }) => ({
      runId: run.id,
      runDir: store.folder(run.id),
      signal,
      environment,
      step,
      emit: hear,
      secretValue: (variable) => run.secrets.get(variable),
      openToPods: async (place) => (await run.dependencies?.openToPods(place)) ?? new Map(),
    }),
    tell: hear,
    listen(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    status: () => statusOf(run),
  }
  return run
}

function statusOf(run: Run): RunStatus {
  const { id, workspace, runtime, environment, state, since, error, plan, dependencies: overrides = {} } = run.record
  const open = run.dependencies?.all ?? []
  const known = state === 'stopped' ? undefined : run.live
  const services =
    known?.services ?? plan.services.map(({ name, kind }) => ({ name, kind, replicas: [], desired: 0, endpoints: {} }))
  return {
    id,
    workspace,
    runtime,
    environment,
    state,
    since,
    services: services.map((service) =>
      withReload(Object.assign({ ...service }, run.routes.address(service.name)), run.holdings?.get(service.name)),
    ),
    databases: known?.databases ?? [],
    ...(open.length > 0 && {
      dependencies: open.map((held) => dependencyStatus(held, plan.remoteEnvironments, overrides[held.remote.name])),
    }),
    ...(error && { error }),
  }
}

function withReload(service: RunStatus['services'][number], reload: ReloadStatus | undefined): RunStatus['services'][number] {
  return reload ? { ...service, reload } : service
}

/** Whether a failure leaves something running. */
export function failure(run: Run, error: ErrorShape): RunHappening {
  return { type: 'failed', error, isServing: isServing(run.live) }
}

function passwordOf(url: string): string | undefined {
  const password = URL.canParse(url) ? new URL(url).password : ''
  return password === '' ? undefined : decodeURIComponent(password)
}

import { findRun, requireRun, requireServices, requireSources, runAt } from './find-run.ts'
import { chooseRuntime } from './choose-runtime.ts'
import type { Ask } from './parts.ts'
import type { Workshop } from './workshop.ts'
import type { Plan } from '../plan/types.ts'
import type { ExecResult, LogsResult, ParityResult, RunStatus, StartParams, Target } from './results.ts'
import type { Run } from './run.ts'
import { modesOf, planFor, selected } from './start.ts'
import { quietContext } from './work.ts'

/** How long `status` waits for the world before it tells what was known last. */
const READ_TIMEOUT_MS = 2_000

/** The run of the path, or all of them, as the world has them now. */
export async function statusOfRuns(shop: Workshop, params: Target & { all: boolean }): Promise<RunStatus[]> {
  const found = findRun(shop, params.path)
  const runs = params.all ? [...shop.runs.values()] : found ? [found] : []
  await Promise.all(runs.map((run) => refresh(shop, run)))
  return runs.map((run) => {
    const status = run.status()
    if (params.services.length === 0) return status
    return { ...status, services: status.services.filter((service) => params.services.includes(service.name)) }
  })
}

async function refresh(shop: Workshop, run: Run): Promise<void> {
  if (!run.isAttached || (run.record.state !== 'running' && run.record.state !== 'degraded')) return
  const signal = AbortSignal.timeout(READ_TIMEOUT_MS)
  try {
    const runtime = await shop.parts.runtime(run.record.runtime)
    const late = new Promise<undefined>((resolve) => signal.addEventListener('abort', () => resolve(undefined), { once: true }))
    const live = await Promise.race([runtime.read(run.record.plan, quietContext(run, signal)), late])
    if (live) run.live = live
    run.holdings = await run.reloader?.holdings(signal)
  } catch (error) {
    shop.parts.log.warn('the state of a run could not be read', { id: run.id, cause: String(error) })
  }
}

/** What `start` would make real; of another environment than `local`, its own Plan without substitutions. */
export async function planOfWorkspace(shop: Workshop, params: StartParams): Promise<Plan> {
  if (params.env !== 'local') {
    const planner = await shop.parts.planner()
    const model = await planner.load(params.path, { environment: params.env })
    return planner.build(model, { services: selected(model, params) })
  }
  return (await localPlan(shop, params)).plan
}

/** Each fact of production and what local does about it; with `verify`, as the world answers. */
export async function parityOf(shop: Workshop, params: StartParams & { verify: boolean }, ask: Ask): Promise<ParityResult> {
  const { planner, production, plan, runtime, run } = await localPlan(shop, params)
  const facts = planner.facts(production, plan)
  const base = { version: 1 as const, workspace: plan.workspace.name, runtime: runtime.name }
  if (!params.verify) return { ...base, facts, score: planner.score(facts), verified: false }
  const live = run ?? requireRun(shop, params.path)
  const readable = facts.filter((fact) => fact.reading !== undefined)
  const context = quietContext(live, ask.signal, params.environment)
  const readings = await runtime.readings(
    live.record.plan,
    readable.map((fact) => fact.reading!),
    context,
  )
  const byFact = new Map(readable.map((fact, index) => [fact, readings[index]]))
  const verified = planner.verify(
    facts,
    facts.map((fact) => byFact.get(fact)),
  )
  return { ...base, facts: verified, score: planner.score(verified), verified: true }
}

async function localPlan(shop: Workshop, params: StartParams) {
  const planner = await shop.parts.planner()
  const model = await planner.load(params.path, { environment: params.env })
  const run = runAt(shop, model.workspace.root)
  const previous = run && { name: run.record.runtime, isLive: run.isAttached }
  const { runtime } = await chooseRuntime({
    asked: params.runtime,
    previous,
    environment: params.environment,
    get: shop.parts.runtime,
  })
  const plans = await planFor(planner, model, {
    services: selected(model, params),
    runtime: runtime.name,
    ...modesOf({ ...(run?.isAttached && { debug: run.record.debug, reload: run.record.reload }), ...params }),
  })
  return { ...plans, planner, runtime, run }
}

/** What stands between the lines for those who follow. */
const FOLLOWED = new Set(['health', 'warning', 'loop', 'tests'])

/** Sends log lines as events; with `follow` until the caller leaves, and health and warnings between them. */
export async function logsOf(
  shop: Workshop,
  params: Target & { sources: string[]; follow: boolean; tail?: number; since?: number },
  ask: Ask,
): Promise<LogsResult> {
  const run = requireRun(shop, params.path)
  const { redactor } = shop.parts
  const runtime = await shop.parts.runtime(run.record.runtime)
  const { follow, tail, since } = params
  const sources = [...params.sources, ...params.services]
  requireSources(run, sources)
  const unlisten = run.listen((event) => {
    if (follow && FOLLOWED.has(event.kind)) void ask.emit(redactor.deep(event))
  })
  let lines = 0
  try {
    for await (const line of runtime.logs(run.record.plan, { sources, follow, tail, since }, quietContext(run, ask.signal))) {
      if (ask.signal.aborted) break
      await ask.emit({ kind: 'log', line: redactor.deep(line) })
      lines += 1
    }
  } catch (error) {
    // A run that is ended, and whose logs are deleted with it, is the end of following it.
    if (!follow || !isEnding(shop, run)) throw error
  } finally {
    unlisten()
  }
  return { version: 1, lines }
}

function isEnding({ runs }: Workshop, { id, record }: Run): boolean {
  return !runs.has(id) || record.state === 'stopping' || record.state === 'stopped'
}

/** Runs a command beside a service. */
export async function execIn(shop: Workshop, params: Target & { argv: string[] }, ask: Ask): Promise<ExecResult> {
  const run = requireRun(shop, params.path)
  requireServices(run, params.services)
  const service = params.services[0] ?? run.record.plan.services[0]?.name ?? ''
  const runtime = await shop.parts.runtime(run.record.runtime)
  return { version: 1, ...(await runtime.exec(run.record.plan, service, params.argv, quietContext(run, ask.signal))) }
}

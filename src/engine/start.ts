import { join } from 'node:path'
import { writeFileAtomic } from '../core/atomic-file.ts'
import { toErrorShape } from '../core/errors.ts'
import { runIdOf } from '../core/ids.ts'
import type { Plan, RuntimeName } from '../plan/types.ts'
import { meantServices } from '../spec/meant-services.ts'
import type { Model } from '../spec/model.ts'
import { chooseRuntime } from './choose-runtime.ts'
import { closeDependencies, openDependencies } from './dependencies/attach.ts'
import { real, runAt } from './find-run.ts'
import type { Ask, Planner } from './parts.ts'
import type { Workshop } from './workshop.ts'
import type { Runtime } from './ports.ts'
import { interruption } from './queue.ts'
import type { StartParams, StartResult } from './results.ts'
import { createRun, failure, type Run } from './run.ts'
import { endReload, isLiving, reloaderOf, whileRebuilt } from './reload/attach.ts'
import { resolveSecrets } from './secrets.ts'
import { operate, type Work } from './work.ts'

/** Brings a workspace's services to life and returns when everything answers; a diff when some of it lives already. */
export async function startRun(shop: Workshop, params: StartParams, ask: Ask): Promise<StartResult> {
  const began = performance.now()
  const planner = await shop.parts.planner()
  const read = () => planner.load(params.path, { environment: params.env })
  // Before queueing: bad input is told at once, whoever works on the workspace.
  const before = await read()
  return operate(shop, before.workspace.root, ask, async (work) => {
    const model = work.hasWaited ? await read() : before
    const known = runAt(shop, model.workspace.root)
    const services = [...selected(model, params), ...(known ? stillWanted(known, model) : [])]
    const { runtime, why } = await work.steps.step('Choose the runtime', async (step) => {
      const choice = await chooseRuntime({
        asked: params.runtime,
        previous: previous(known),
        environment: params.environment,
        get: shop.parts.runtime,
      })
      step.note(`${choice.runtime.name} (${choice.why})`)
      return choice
    })
    shop.parts.log.info('start', { workspace: model.workspace.name, runtime: runtime.name, why })
    const modes = modesOf(params)
    const { plan, score } = await planFor(planner, model, { services, runtime: runtime.name, ...modes })
    const secrets = await resolveSecrets(plan, params.environment)
    const run = await prepareRun(shop, known, { model, plan, runtime, modes })
    run.secrets = secrets
    for (const value of secrets.values()) shop.parts.redactor.add(value)
    run.environment = params.environment
    run.withTests = params.test === true
    await realise(shop, run, runtime, work)
    await writeFileAtomic(join(shop.store.folder(run.id), 'last-start.json'), JSON.stringify(work.steps.spans()))
    return {
      version: 1,
      run: run.status(),
      durationMs: Math.round(performance.now() - began),
      substitutions: plan.substitutions,
      parityScore: score,
    }
  })
}

/** What a start may leave out. */
export interface Modes {
  debug: boolean
  reload: boolean
}

export function modesOf(params: { debug?: boolean | undefined; reload?: boolean | undefined }): Modes {
  return { debug: params.debug !== false, reload: params.reload !== false }
}

/** The local Plan of some services, and production's of the same, read with production's own overrides: what an environment changes is a difference too. */
export async function planFor(
  planner: Planner,
  model: Model,
  options: { services: string[]; runtime: RuntimeName } & Modes,
): Promise<{ production: Plan; plan: Plan; score: number }> {
  const { services, runtime, debug, reload } = options
  const plan = planner.localise(planner.build(model, { services }), runtime, model, { debug, reload })
  const production = planner.build(await planner.load(model.workspace.root, { environment: 'production' }), { services })
  return { production, plan, score: planner.score(planner.facts(production, plan)) }
}

/** What was named; else the service whose folder the path is in; else all. */
export function selected(model: Model, { path, services }: Pick<StartParams, 'path' | 'services'>): string[] {
  return meantServices(services, real(path), model)
}

/** Makes the Plan of the run's record real; its state and routes follow. */
export async function realise(shop: Workshop, run: Run, runtime: Runtime, work: Work): Promise<void> {
  const wasLiving = isLiving(run)
  await run.dispatch({ type: 'start-asked' })
  const { plan } = run.record
  try {
    // Before the routes: what they tell of taken ports is for the caller too.
    const context = work.context(run, run.environment)
    await Promise.all([run.save(), run.routes.keep(plan)])
    work.signal.throwIfAborted()
    await openDependencies(shop, run, plan, work)
    run.isAttached = true
    const reloader = reloaderOf(shop, run, runtime, () => startAgain(shop, run))
    await whileRebuilt(reloader, run, { plan, wasLiving }, async () => {
      await run.see(await runtime.reconcile(plan, context))
      await run.dispatch({ type: 'answered' })
    })
  } catch (error) {
    await run.dispatch(failure(run, toErrorShape(work.signal.aborted ? interruption(error) : error)))
    throw error
  }
}

/** Starts a run once more as it was started last, for a save that asks for another image or another Plan. */
export async function startAgain(shop: Workshop, run: Run): Promise<void> {
  const { workspace, services, environment, runtime, debug } = run.record
  const params: StartParams = {
    path: workspace.root,
    services,
    env: environment,
    runtime,
    debug,
    environment: run.environment,
    test: run.withTests,
  }
  const ask: Ask = {
    by: { command: 'shiv, reloading', pid: process.pid },
    signal: new AbortController().signal,
    emit: async () => {},
  }
  await startRun(shop, params, ask)
}

/** The run with its new Plan; one that lives elsewhere is taken down there first, so that nothing is started twice. */
async function prepareRun(
  shop: Workshop,
  known: Run | undefined,
  next: { model: Model; plan: Plan; runtime: Runtime; modes: Modes },
): Promise<Run> {
  const { workspace, environment } = next.model
  const fields = {
    environment: environment.name,
    runtime: next.runtime.name,
    services: next.plan.services.map((service) => service.name),
    ...next.modes,
    plan: next.plan,
  }
  if (known && known.record.workspace.name === workspace.name) {
    if (known.record.runtime !== next.runtime.name && known.record.state !== 'stopped') await takeDown(shop, known)
    known.record = { ...known.record, ...fields }
    return known
  }
  if (known) {
    // The workspace was renamed: what ran under the old name would be orphaned.
    if (known.record.state !== 'stopped') await takeDown(shop, known)
    shop.runs.delete(known.id)
    await shop.store.forget(known.id)
  }
  const { name, root } = workspace
  const id = runIdOf({ name, root })
  const isClone = [...shop.runs.values()].some(({ record }) => record.place === name)
  const record = { version: 1 as const, id, workspace: { name, root }, place: isClone ? id : name, since: Date.now(), ...fields }
  const run = createRun({ ...record, state: 'stopped' }, shop.parts, shop.store)
  shop.runs.set(id, run)
  return run
}

async function takeDown(shop: Workshop, run: Run): Promise<void> {
  const runtime = await shop.parts.runtime(run.record.runtime)
  const context = run.context({
    signal: new AbortController().signal,
    environment: process.env,
    step: (_name, work) => work(silent),
  })
  await endReload(run)
  await runtime.remove(run.record.plan, { purge: false }, context)
  await closeDependencies(run)
  await run.routes.clear()
  run.isAttached = false
  run.live = undefined
}

const silent = { progress: (): void => {}, note: (): void => {} }

function previous(run: Run | undefined): { name: RuntimeName; isLive: boolean } | undefined {
  return run && { name: run.record.runtime, isLive: run.record.state === 'running' || run.record.state === 'degraded' }
}

/** Services of the run that go on beside what is asked for now. */
function stillWanted(run: Run, model: Model): string[] {
  if (run.record.state === 'stopped') return []
  return run.record.services.filter((name) => model.services.some((service) => service.name === name))
}

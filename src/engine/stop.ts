import { ShivError, toErrorShape } from '../core/errors.ts'
import { closeDependencies, forgetDependencies } from './dependencies/attach.ts'
import { findRun, requireRun, requireServices } from './find-run.ts'
import type { ReloadRule } from '../spec/reload-policy.ts'
import type { Plan } from '../plan/types.ts'
import type { Ask } from './parts.ts'
import type { Workshop } from './workshop.ts'
import type { RestartResult, StopResult, Target } from './results.ts'
import { failure, type Run } from './run.ts'
import { endReload, whilePaused } from './reload/attach.ts'
import { modesOf, planFor, realise } from './start.ts'
import { operate, type Work } from './work.ts'

/** Removes a run, or some services of it. Nothing there is nothing to do. */
export async function stopRun(shop: Workshop, params: Target & { purge: boolean }, ask: Ask): Promise<StopResult> {
  const found = findRun(shop, params.path)
  if (!found) return { version: 1, stopped: [] }
  return operate(shop, found.record.workspace.root, ask, async (work) => {
    const run = shop.runs.get(found.id)
    if (!run || (run.record.state === 'stopped' && !params.purge)) return { version: 1, stopped: [] }
    requireServices(run, params.services)
    const rest = run.record.services.filter((name) => params.services.length > 0 && !params.services.includes(name))
    const services = rest.length > 0 ? params.services : run.record.services
    if (rest.length > 0) await removeServices(shop, run, rest, work)
    else await removeRun(shop, run, params.purge, work)
    return {
      version: 1,
      stopped: [{ id: run.id, workspace: run.record.workspace.name, services, purged: params.purge && rest.length === 0 }],
    }
  })
}

/** Takes a whole run away; its data stays unless `purge`, which forgets the run as well. */
export async function removeRun(shop: Workshop, run: Run, purge: boolean, work: Work): Promise<void> {
  const { record } = run
  await run.dispatch({ type: 'stop-asked' })
  await endReload(run)
  try {
    const runtime = await shop.parts.runtime(record.runtime)
    await work.steps.step(`Stop ${record.workspace.name}`, () =>
      runtime.remove(record.plan, { purge }, work.context(run, process.env)),
    )
    await closeDependencies(run)
    if (purge) await forgetDependencies(shop, run)
    await run.routes.clear()
    if (buildsInContainers(record.plan)) await (await shop.parts.buildContainers()).end(record.workspace.root, process.env)
  } catch (error) {
    await run.dispatch(failure(run, toErrorShape(error)))
    throw error
  }
  run.isAttached = false
  run.live = undefined
  run.secrets = new Map()
  const { dependencies: _switched, ...rest } = run.record
  run.record = rest
  await run.dispatch({ type: 'removed' })
  if (!purge) return
  shop.runs.delete(run.id)
  await shop.store.forget(run.id)
}

/** Whether a container may have been kept for its builds. */
function buildsInContainers({ runtime, services }: Plan): boolean {
  const isInContainer = (rule: ReloadRule) => (rule.do === 'build' && rule.image) || (rule.do === 'install' && rule.inContainer)
  return runtime === 'kind' && services.some(({ reload }) => reload?.rules.some(isInContainer))
}

/** The rest goes on: the run becomes the Plan of the rest. */
async function removeServices(shop: Workshop, run: Run, rest: string[], work: Work): Promise<void> {
  const { record } = run
  const planner = await shop.parts.planner()
  const model = await planner.load(record.workspace.root, { environment: record.environment })
  const { plan } = await planFor(planner, model, { services: rest, runtime: record.runtime, ...modesOf(record) })
  const needed = plan.services.map((service) => service.name).filter((name) => !rest.includes(name))
  if (needed.length > 0) {
    const users = plan.services
      .filter((service) => service.dependencies.some((name) => needed.includes(name)))
      .map(({ name }) => name)
    throw new ShivError(`${users.join(', ')} needs ${needed.join(', ')}.`, {
      code: 'SERVICE_NEEDED',
      exit: 2,
      hint: `stop what needs it too: shiv stop ${[...needed, ...users].join(' ')}`,
    })
  }
  run.record = { ...record, services: rest, plan }
  await realise(shop, run, await shop.parts.runtime(record.runtime), work)
}

/** Restarts each service without changing anything else. */
export async function restartRun(shop: Workshop, params: Target, ask: Ask): Promise<RestartResult> {
  const began = performance.now()
  const { workspace } = requireRun(shop, params.path).record
  return operate(shop, workspace.root, ask, async (work) => {
    const run = requireRun(shop, params.path)
    const { plan } = run.record
    requireServices(run, params.services)
    const names = params.services.length > 0 ? params.services : plan.services.map((service) => service.name)
    const runtime = await shop.parts.runtime(run.record.runtime)
    const context = work.context(run, process.env)
    await whilePaused(run, async () => {
      for (const name of names) await work.steps.step(`Restart ${name}`, () => runtime.restart(plan, name, context))
    })
    await run.see(await runtime.read(plan, context))
    return { version: 1, run: run.status(), durationMs: Math.round(performance.now() - began) }
  })
}

import { toErrorShape } from '../../core/errors.ts'
import type { Plan } from '../../plan/types.ts'
import type { Runtime } from '../ports.ts'
import type { Run } from '../run.ts'
import type { Workshop } from '../workshop.ts'
import { createSteps } from '../steps.ts'
import { askService } from './ask.ts'
import type { HostCommand } from './build-step.ts'
import { RunReloader } from './run-reloader.ts'
import { TestRunner } from './test-runner.ts'

/** How long requests in flight may take before a restart no longer waits for them. */
const DRAIN_MS = 2_000

/** The reloader of a run, made when it is first needed. `restart` makes the run anew from its files. */
export function reloaderOf(shop: Workshop, run: Run, runtime: Runtime, restart: () => Promise<void>): RunReloader {
  const { parts } = shop
  if (run.reloader && run.reloader.runtime === runtime) return run.reloader
  const command: HostCommand = async (argv, options) => (await parts.command())(argv, options)
  const runner = new TestRunner(command, (event) => run.tell(parts.redactor.deep(event)))
  run.reloader = new RunReloader(run.record.plan, {
    log: parts.log,
    folder: shop.store.folder(run.id),
    runtime,
    watcher: (root) => parts.watcher(root),
    rules: async (service, plan) => (await parts.planner()).reloadRules(service, plan),
    command,
    containers: () => parts.buildContainers(),
    get tests() {
      return run.withTests ? runner : undefined
    },
    context: (signal) => run.context({ signal, environment: run.environment, step: createSteps(() => {}).step }),
    hold: (service) => run.routes.hold(service, DRAIN_MS),
    drain: (service) => run.routes.drain(service, DRAIN_MS),
    announce: (service, sequence) => void run.routes.announce(service, sequence),
    ask: (service, signal) => askService(service, run.routes.address(service.name)?.directUrl, signal),
    restart,
    redact: (loop) => parts.redactor.deep(loop),
    tell: (loop) => run.tell({ kind: 'loop', loop }),
  })
  return run.reloader
}

/** Does `work`, which changes what runs, while nothing is reloaded; then saves of meanwhile are brought. */
export async function whilePaused<T>(run: Run, work: () => Promise<T>): Promise<T> {
  await run.reloader?.pause()
  try {
    return await work()
  } finally {
    if (isLiving(run)) await run.reloader?.resume()
  }
}

/** Makes a Plan real while nothing is reloaded; its images are then what edits are counted from. */
export async function whileRebuilt<T>(
  reloader: RunReloader,
  run: Run,
  { plan, wasLiving }: { plan: Plan; wasLiving: boolean },
  work: () => Promise<T>,
): Promise<T> {
  await reloader.pause()
  try {
    const surveys = await reloader.survey(plan)
    const result = await work()
    await reloader.commit(plan, surveys)
    return result
  } finally {
    // One that failed to change goes on as it was, and the next save may mend it.
    if (wasLiving || isLiving(run)) await reloader.resume()
  }
}

/** Takes up reloading after a daemon that was killed. A run that cannot be reloaded runs all the same. */
export async function recallReload(shop: Workshop, run: Run, reloader: RunReloader): Promise<void> {
  try {
    await reloader.recall()
    await reloader.resume()
  } catch (error) {
    const { code, message } = toErrorShape(error)
    shop.parts.log.error('a run cannot be reloaded', { id: run.id, code, cause: message })
  }
}

/** Ends reloading with its run. */
export async function endReload(run: Run): Promise<void> {
  await run.reloader?.close()
  run.reloader = undefined
}

/** Whether a run is one whose saves are brought. */
export function isLiving(run: Run): boolean {
  return run.isAttached && (run.record.state === 'running' || run.record.state === 'degraded')
}

import type { Ask } from '../parts.ts'
import type { Workshop } from '../workshop.ts'
import { operate, type Work } from '../work.ts'
import { authorOf } from './author.ts'
import type { Scene } from './carry-out.ts'
import type { DeployCaller, DeployDrivers, ReleaseCluster } from './ports.ts'
import type { DeployParams } from './results.ts'
import { createStopwatch, type Stopwatch } from './spans.ts'
import { type Destination, findDestination, refuseHiddenProduction } from './target.ts'

/** What one command about one environment works with. */
export interface Stage {
  destination: Destination
  drivers: DeployDrivers
  cluster: ReleaseCluster
  caller: DeployCaller
  watch: Stopwatch
  startedAt: number
}

/** Runs `work` with the environment's cluster, one at a time for a service and an environment; closes it. */
export async function onStage<T>(shop: Workshop, params: DeployParams, ask: Ask, work: (stage: Stage) => Promise<T>): Promise<T> {
  const begun = now()
  const destination = await findDestination(await shop.parts.planner(), params)
  const { target, model } = destination
  const key = `${model.workspace.root} deploy ${target.environment} ${target.service}`
  return operate(shop, key, ask, (operation) => withCluster(shop, params, { destination, begun, operation }, work))
}

/** As `onStage`, for what only looks: it waits for nobody. */
export async function besideStage<T>(
  shop: Workshop,
  params: DeployParams,
  ask: Ask,
  work: (stage: Stage) => Promise<T>,
): Promise<T> {
  const destination = await findDestination(await shop.parts.planner(), params)
  const quiet: Pick<Work, 'signal' | 'steps'> = {
    signal: ask.signal,
    steps: { spans: () => [], step: (_name, run) => run({ progress() {}, note() {} }) },
  }
  return withCluster(shop, params, { destination, begun: now(), operation: quiet }, work)
}

/** One moment by both clocks, epoch and monotonic milliseconds. */
interface Moment {
  time: number
  monotonic: number
}

function now(): Moment {
  return { time: Date.now(), monotonic: performance.now() }
}

async function withCluster<T>(
  shop: Workshop,
  params: DeployParams,
  given: { destination: Destination; begun: Moment; operation: Pick<Work, 'signal' | 'steps'> },
  work: (stage: Stage) => Promise<T>,
): Promise<T> {
  const { destination, begun, operation } = given
  const drivers = await shop.parts.deployment()
  const caller = { environment: params.environment, folder: destination.model.workspace.root, signal: operation.signal }
  const cluster = await drivers.open(destination.target, caller)
  try {
    await refuseHiddenProduction(destination, drivers, caller)
    return await work({
      destination,
      drivers,
      cluster,
      caller,
      startedAt: begun.time,
      watch: createStopwatch(operation.steps.step, begun.monotonic),
    })
  } finally {
    cluster.close()
  }
}

/** The part of the stage that changes the world. */
export function sceneOf(shop: Workshop, params: DeployParams, ask: Ask, stage: Stage): Scene {
  return {
    ...stage,
    redactor: shop.parts.redactor,
    by: authorOf(params.environment),
    waits: params.waits !== false,
    takesOver: params.takesOver === true,
    tell: (message) => void ask.emit({ kind: 'warning', code: 'DEPLOY_WAITS', message }),
  }
}

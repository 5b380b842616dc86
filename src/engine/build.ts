import { runIdOf } from '../core/ids.ts'
import { makePrivateFolder } from '../core/private-folder.ts'
import { chooseRuntime } from './choose-runtime.ts'
import { runAt } from './find-run.ts'
import type { Ask } from './parts.ts'
import type { BuildWish, RunContext } from './ports.ts'
import type { BuildResult, StartParams } from './results.ts'
import { modesOf, planFor, selected } from './start.ts'
import { operate } from './work.ts'
import type { Workshop } from './workshop.ts'

/** Builds what a start of these services would build. What runs is left alone. */
export async function buildWorkspace(shop: Workshop, params: StartParams & BuildWish, ask: Ask): Promise<BuildResult> {
  const planner = await shop.parts.planner()
  const model = await planner.load(params.path, { environment: params.env })
  const { name, root } = model.workspace
  return operate(shop, root, ask, async (work) => {
    const known = runAt(shop, root)
    const { runtime } = await chooseRuntime({
      asked: params.runtime,
      previous: known && { name: known.record.runtime, isLive: known.isAttached },
      environment: params.environment,
      get: shop.parts.runtime,
    })
    const { plan } = await planFor(planner, model, {
      services: selected(model, params),
      runtime: runtime.name,
      ...modesOf(params),
    })
    const runId = known?.id ?? runIdOf({ name, root })
    const runDir = shop.store.folder(runId)
    makePrivateFolder(runDir)
    const context: RunContext = {
      runId,
      runDir,
      signal: work.signal,
      environment: params.environment,
      step: work.steps.step,
      secretValue: () => undefined, // builds have none
      emit: () => {},
    }
    const { fresh, discard } = params
    const images = (await runtime.build?.(plan, { fresh, discard }, context)) ?? []
    return { version: 1, workspace: name, runtime: runtime.name, images }
  })
}

import { ShivError } from '../../core/errors.ts'
import type { Ask } from '../parts.ts'
import type { Workshop } from '../workshop.ts'
import { asReleased } from './as-released.ts'
import { carryOut } from './carry-out.ts'
import { check, resultOf } from './deploy.ts'
import type { KubeObject } from '../../plan/types.ts'
import type { Readiness } from './ports.ts'
import { obstaclesOf } from './prepare.ts'
import { type Release, isSettled, releaseBefore, servingRelease } from './release.ts'
import type { DeployResult, RollbackParams } from './results.ts'
import { onStage, sceneOf, type Stage } from './scene.ts'
import { requireScope } from './scope.ts'
import { withoutMigrations } from './stages.ts'

/** Brings an earlier release back, as a release of its own: the same objects, the same image by digest. Migrations are not undone. */
export function rollbackService(shop: Workshop, params: RollbackParams, ask: Ask): Promise<DeployResult> {
  return onStage(shop, params, ask, async (stage) => {
    const found = await check(stage)
    // What is in the tree is not what is deployed: neither its commit nor its Secrets nor its health path count.
    const pass = (readiness: Readiness): void => {
      const [obstacle] = obstaclesOf(stage.destination, { ...found, readiness, source: undefined }, params)
      if (obstacle !== undefined) throw obstacle
    }
    pass({ ...found.readiness, missing: [] })
    const release = chosen(stage, found.history, params.revision)
    const objects = await objectsOf(stage, release)
    const destination = { ...stage.destination, plan: asReleased(stage.destination.plan, objects) }
    pass(await stage.cluster.readiness(destination.plan))
    const { changes } = await stage.cluster.compare(withoutMigrations(objects), { takesOver: params.takesOver === true })
    const newest = found.history.at(-1)
    const done = await carryOut(sceneOf(shop, params, ask, { ...stage, destination }), {
      kind: 'rollback',
      objects,
      image: { ...release.image, isBuilt: false, isPushed: false },
      ...(release.source !== undefined && { source: withoutSince(release.source) }),
      unknown: [],
      changes,
      restores: release.restores ?? release.revision,
      ...(newest !== undefined && { after: newest }),
    })
    return resultOf(stage, { release: done, changes, isChanged: true })
  })
}

function chosen({ destination }: Stage, history: Release[], revision: number | undefined): Release {
  const { service, environment } = destination.target
  const release = revision === undefined ? releaseBefore(history) : history.find((one) => one.revision === revision)
  const serving = isSettled(history) ? servingRelease(history) : undefined
  if (release !== undefined && release.outcome === 'succeeded' && release.revision !== serving?.revision) return release
  const good = history.filter(({ outcome }) => outcome === 'succeeded').map((one) => one.revision)
  const why =
    release === undefined
      ? revision === undefined
        ? `there is no earlier release of ${service} that succeeded`
        : `there is no release ${revision} of ${service}`
      : release.revision === serving?.revision
        ? `release ${release.revision} is the one that serves`
        : `release ${release.revision} did not succeed`
  throw new ShivError(`Nothing is rolled back in ${environment}: ${why}.`, {
    code: 'DEPLOY_NO_RELEASE',
    exit: 2,
    hint:
      good.length > 0
        ? `releases that succeeded: ${good.join(', ')}; shiv deploy ${service} --env ${environment} --history`
        : `shiv deploy ${service} --env ${environment}`,
  })
}

async function objectsOf({ cluster, drivers, caller, destination }: Stage, release: Release): Promise<KubeObject[]> {
  const objects = await cluster.objectsOf(release.revision)
  // A registry that does not answer this machine is no reason against an emergency's rollback: the nodes may have the image.
  const isThere = await drivers.registry.digest(release.image.reference, caller).then(
    (digest) => digest !== undefined,
    () => true,
  )
  if (objects !== undefined && isThere) {
    requireScope(objects, destination, release.revision)
    return objects
  }
  const what =
    objects === undefined
      ? 'what it applied is not kept any more'
      : `its image ${release.image.reference} is not in the registry any more`
  throw new ShivError(`Release ${release.revision} cannot be brought back: ${what}.`, {
    code: 'DEPLOY_RELEASE_GONE',
    hint: `deploy its commit instead: git checkout ${release.source?.commit.slice(0, 12) ?? 'COMMIT'} && shiv deploy ${destination.service} --env ${destination.target.environment}`,
  })
}

/** Lead time is of the deploy that brought the commits. */
function withoutSince<T extends { since?: unknown }>({ since: _since, ...source }: T): Omit<T, 'since'> {
  return source
}

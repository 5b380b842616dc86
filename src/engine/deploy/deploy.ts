import type { Ask } from '../parts.ts'
import type { Workshop } from '../workshop.ts'
import { localRepository } from '../../plan/images.ts'
import { withImages, withSecretVersions } from '../../plan/pod-templates.ts'
import type { KubeObject } from '../../plan/types.ts'
import { carryOut } from './carry-out.ts'
import { findImage, type ImageJob, provideImage } from './image.ts'
import { maskChanges } from './mask.ts'
import type { Comparison, ObjectChange, Readiness } from './ports.ts'
import { obstaclesOf } from './prepare.ts'
import { type Release, type Source, isSettled, servingRelease } from './release.ts'
import type { DeployParams, DeployResult, DryRunResult } from './results.ts'
import { onStage, sceneOf, type Stage } from './scene.ts'
import { withoutMigrations } from './stages.ts'
import { requireRegistry } from './target.ts'

/** Builds, sends and deploys a service, proves that it answers, and takes it back when it does not. What serves already is left alone. */
export function deployService(shop: Workshop, params: DeployParams, ask: Ask): Promise<DeployResult> {
  return onStage(shop, params, ask, async (stage) => {
    requireRegistry(stage.destination)
    const job = jobOf(stage)
    const [found, image] = await Promise.all([check(stage), findImage(stage.drivers, job)])
    // Production is asked about with its commit; elsewhere nobody waits for git.
    const reading = readSource(stage, found.history)
    const early = stage.destination.isProduction ? await reading : undefined
    const [obstacle] = obstaclesOf(stage.destination, { ...found, source: early?.source }, params)
    if (obstacle !== undefined) throw obstacle
    tellOfUnseen(found.readiness, ask)
    if (image.digest === undefined) stage.cluster.expectRollout()
    const [provided, { source, unknown }] = await Promise.all([
      provideImage(stage.drivers, job, image, stage.watch),
      reading.then((read) => {
        if (read.source?.isDirty) tellOfDirt(ask)
        return read
      }),
    ])
    const objects = objectsFor(stage, provided.reference, found.readiness)
    const { changes } = await compare(stage, objects, found, params.takesOver === true)
    const serving = servingRelease(found.history)
    if (changes.length === 0 && serving !== undefined && isSettled(found.history) && stage.cluster.isRolledOut(objects)) {
      await stage.watch.time('health', 'health', () => askOnce(stage))
      return resultOf(stage, { release: serving, changes, isChanged: false })
    }
    const content = { kind: 'deploy' as const, objects, image: provided, source, unknown, changes }
    const release = await carryOut(sceneOf(shop, params, ask, stage), content)
    return resultOf(stage, { release, changes, isChanged: true })
  })
}

/** What a deploy would do. */
export function planDeploy(shop: Workshop, params: DeployParams, ask: Ask): Promise<DryRunResult> {
  return onStage(shop, params, ask, async (stage) => {
    const { destination, cluster, drivers } = stage
    requireRegistry(destination)
    const [found, image] = await Promise.all([check(stage), findImage(drivers, jobOf(stage))])
    const { source } = await readSource(stage, found.history)
    const objects = objectsFor(stage, image.reference, found.readiness)
    const { changes, by } = await compare(stage, objects, found, params.takesOver === true)
    const serving = servingRelease(found.history)
    const { service, target } = destination
    const { environment, context, namespace } = target
    return {
      version: 1,
      service,
      environment,
      context,
      namespace,
      server: cluster.server,
      image: {
        reference: image.reference,
        wouldBuild: image.digest === undefined && !image.isBuilt,
        wouldPush: image.digest === undefined,
      },
      changes: maskChanges(changes),
      by,
      ...(serving !== undefined && { serving }),
      obstacles: obstaclesOf(destination, { ...found, source }, { ...params, isConfirmed: true }).map(({ message }) => message),
    }
  })
}

interface Found {
  readiness: Readiness
  history: Release[]
}

/** What is there in the cluster. */
export function check({ destination, cluster, watch }: Stage): Promise<Found> {
  return watch.time('check', 'check', async (step) => {
    const [readiness, history] = await Promise.all([cluster.readiness(destination.plan), cluster.history()])
    step.note(`context ${destination.target.context}, namespace ${destination.target.namespace}`)
    return { readiness, history }
  })
}

/** The commit, and those since the release that serves. */
function readSource({ drivers, caller }: Stage, history: Release[]): Promise<{ source?: Source; unknown: string[] }> {
  return drivers.source.read(caller.folder, servingRelease(history)?.source?.commit, caller.environment)
}

/** The Plan's objects with the image by digest, and what their Secrets are now. */
function objectsFor({ destination }: Stage, reference: string, { versions }: Readiness): KubeObject[] {
  const { plan, service } = destination
  return withSecretVersions(withImages(plan.objects, new Map([[service, reference]])), versions)
}

async function compare(stage: Stage, objects: KubeObject[], found: Found, takesOver: boolean): Promise<Comparison> {
  const { cluster, watch } = stage
  return watch.time('compare', 'compare', async (step) => {
    const wanted = objects.filter(({ kind }) => kind !== 'Namespace')
    const serving = servingRelease(found.history)
    const [comparison, before] = await Promise.all([
      cluster.compare(wanted, { takesOver }),
      serving === undefined ? undefined : cluster.objectsOf(serving.revision),
    ])
    const changes = [...madeNamespace(objects, found.readiness), ...comparison.changes, ...leaving(before, wanted)]
    step.note(changes.length === 0 ? 'nothing differs' : `${changes.length} of ${objects.length} objects differ`)
    return { ...comparison, changes }
  })
}

function madeNamespace(objects: KubeObject[], { namespace }: Readiness): ObjectChange[] {
  const object = objects.find(({ kind }) => kind === 'Namespace')
  return object === undefined || namespace !== 'missing'
    ? []
    : [{ name: `Namespace/${object.metadata.name}`, action: 'add', fields: [] }]
}

function leaving(before: KubeObject[] | undefined, wanted: KubeObject[]): ObjectChange[] {
  const nameOf = ({ kind, metadata }: KubeObject): string => `${kind}/${metadata.name}`
  const stay = new Set(wanted.map(nameOf))
  const gone = withoutMigrations(before ?? []).filter((object) => !stay.has(nameOf(object)))
  return gone.map((object) => ({ name: nameOf(object), action: 'remove', fields: [] }))
}

function askOnce({ cluster, destination, caller }: Stage): Promise<unknown> {
  return cluster.proveHealth(destination.plan, { steadyMs: 0, patienceMs: 5_000, signal: caller.signal, answered() {} })
}

function jobOf({ destination: { plan, model, service }, caller }: Stage): ImageJob {
  const [image] = plan.images
  if (image === undefined) throw new Error(`the Plan of ${service} has no image`)
  return { image, local: localRepository(service, model), caller }
}

export function resultOf(
  { destination, watch }: Stage,
  { release, changes, isChanged }: Pick<DeployResult, 'release' | 'changes' | 'isChanged'>,
): DeployResult {
  const { environment, context, namespace, service } = destination.target
  const place = { service, environment, context, namespace }
  return { version: 1, ...place, isChanged, release, changes: maskChanges(changes), durationMs: watch.now() }
}

function tellOfUnseen({ unseen }: Readiness, ask: Ask): void {
  if (unseen.length === 0) return
  const message = `Secrets that you may not look at could not be checked: ${unseen.join(', ')}`
  void ask.emit({ kind: 'warning', code: 'DEPLOY_SECRET_UNSEEN', message })
}

function tellOfDirt(ask: Ask): void {
  const message = 'the tree differs from its commit; the release says so'
  void ask.emit({ kind: 'warning', code: 'DEPLOY_DIRTY', message, hint: 'git status --short' })
}

import { ShivError } from '../../core/errors.ts'
import type { Cluster, ClusterDriver, RunContext } from '../../engine/ports.ts'
import type { KubeObject, Plan } from '../../plan/types.ts'
import { type Applier, createApplier } from './applier.ts'
import { type Target, awaitReady, awaitRoutes } from './await-ready.ts'
import type { KubeClient } from './client.ts'
import { type Delivery, createDelivery } from './delivery.ts'
import { claimNamespaces, dependencyNamespaces, openToPods, withDependencies } from './dependencies.ts'
import { nameOf } from './mapping.ts'
import { namespaceObject, runLabel, settleNamespace } from './namespace.ts'
import { LABEL, type Live } from './objects.ts'
import type { Observer } from './observer.ts'
import { imagesOf, withImages, withSecretVersions } from '../../plan/pod-templates.ts'
import { withNodePorts } from './prepare.ts'
import { awaitDoors, doorsOf } from './reach.ts'
import { dropOverlaysOfOtherImages } from './reload-overlay.ts'
import { scaleToMinimum } from './scale-to-minimum.ts'
import { makeSecrets } from './secrets.ts'
import { subjectOf } from './state.ts'
import { withNames } from './trust.ts'
import { untilDrained } from './until-view.ts'
import { awaitVolumes } from './volumes.ts'

const WORKLOADS = new Set(['Deployment', 'StatefulSet', 'DaemonSet', 'Job', 'CronJob'])
/** They act on workloads, so they come with them. */
const FOLLOWERS = new Set(['HorizontalPodAutoscaler', 'PodDisruptionBudget'])

export interface Reconciliation {
  plan: Plan
  client: KubeClient
  cluster: Cluster
  driver: ClusterDriver
  context: RunContext
  /** Settles when every image of the Plan is built. */
  building: Promise<Map<string, string>>
  /** Starts to watch the namespace; called once it is there. */
  watch(): Promise<Observer>
  /** Called when the services answer; for what must not compete with them. */
  afterServices(): void
}

/**
 * The namespace becomes the Plan: foundation first, databases as soon as their images are there, then migrations, then the rest; what
 * left the Plan goes. Returns the watching observer when everything answers.
 */
export async function reconcile(work: Reconciliation): Promise<Observer> {
  const { plan, client, context } = work
  const options = { namespace: plan.namespace, run: runLabel(plan), signal: context.signal }
  const [addresses] = await Promise.all([
    openToPods(plan, work.driver, context),
    settleNamespace(client, plan.namespace, context.signal),
    claimNamespaces(client, plan, context.signal),
  ])
  const [applier, secrets] = await Promise.all([
    createApplier(client, plan.objects, options),
    makeSecrets(client, plan, runLabel(plan), { context, addresses }),
  ])
  const objects = withDependencies(await withNodePorts(client, plan.objects, work.cluster), addresses)
  const foundation = objects.filter(({ kind }) => kind !== 'Namespace' && !WORKLOADS.has(kind) && !FOLLOWERS.has(kind))
  await applier.apply([namespaceObject(plan, context.runId), ...dependencyNamespaces(plan)])
  const [delivery, observer] = await Promise.all([
    createDelivery(client, work.driver, work.cluster, applier.inventory, context),
    work.watch(),
    applier.apply([...foundation, ...secrets]),
  ])
  const live = secrets.map((secret) => applier.liveOf(secret)).filter((secret) => secret !== undefined)
  const stage = new Stage(work, applier, delivery, observer, live)

  try {
    await bringToLife(work, stage, delivery, withNames(objects, applier, addresses), secrets)
  } catch (error) {
    // What was applied so far is remembered, so that the next start can prune it. The cause itself is what the user must see.
    await applier.save().catch(() => {})
    throw error
  }
  return observer
}

async function bringToLife(
  work: Reconciliation,
  stage: Stage,
  delivery: Delivery,
  objects: KubeObject[],
  secrets: KubeObject[],
): Promise<void> {
  const databases = objects.filter((object) => object.kind === 'StatefulSet' && isDatabase(object))
  const databasesReady = stage.databases(databases)
  const references = await settleTogether(work.building, databasesReady)
  const rest = objects.filter(
    (object) => (WORKLOADS.has(object.kind) && !databases.includes(object)) || FOLLOWERS.has(object.kind),
  )
  const built = withImages(rest, references)
  await Promise.all([delivery.bring(imagesOf(built)), databasesReady])
  await dropOverlaysOfOtherImages(work.client, work.plan.namespace, built, work.context.signal)
  await stage.migrations(built.filter(isMigration))
  await stage.services(
    built.filter((object) => !isMigration(object)),
    [...objects, ...secrets],
  )
  work.afterServices()
}

/** The first to fail ends both; the first's value otherwise. */
async function settleTogether<T>(first: Promise<T>, second: Promise<unknown>): Promise<T> {
  let isDone = false
  const failure = second.then(
    () => new Promise<never>(() => {}),
    (error: unknown) => {
      if (!isDone) throw error
      return new Promise<never>(() => {})
    },
  )
  try {
    return await Promise.race([first, failure])
  } finally {
    isDone = true
  }
}

/** Applies one group of objects after the other, and waits for each. */
class Stage {
  readonly #work: Reconciliation
  readonly #applier: Applier
  readonly #delivery: Delivery
  readonly #observer: Observer
  readonly #secrets: Live[]

  constructor(work: Reconciliation, applier: Applier, delivery: Delivery, observer: Observer, secrets: Live[]) {
    this.#work = work
    this.#applier = applier
    this.#delivery = delivery
    this.#observer = observer
    this.#secrets = secrets
  }

  async databases(objects: KubeObject[]): Promise<void> {
    if (objects.length === 0) return
    const { client, plan, driver, cluster, context } = this.#work
    const volumes = awaitVolumes(client, objects, { namespace: plan.namespace, driver, cluster, signal: context.signal })
    await Promise.all([this.#delivery.bring(imagesOf(objects)), volumes])
    await this.#bringUp('databases', objects)
  }

  async migrations(objects: KubeObject[]): Promise<void> {
    if (objects.length > 0) await this.#bringUp('migrations', objects)
  }

  /** `wanted` is everything else of the Plan: what is in neither is pruned. */
  async services(objects: KubeObject[], wanted: KubeObject[]): Promise<void> {
    const { plan, client, cluster, context } = this.#work
    await context.step('services', async (step) => {
      const targets = await this.#apply(objects, step)
      await scaleToMinimum(client, objects, (object) => this.#applier.liveOf(object), context.signal)
      const gone = await this.#applier.prune([...wanted, ...objects])
      await this.#applier.save()
      if (gone.length > 0) step.note(`removed ${gone.join(', ')}`)
      await Promise.all([this.#await(targets, step), untilDrained(this.#observer, plan, context.signal)])
      await awaitRoutes(
        this.#observer,
        targets.map(({ subject }) => subject),
        context.signal,
      )
      await awaitDoors(doorsOf(plan, this.#observer.view(), cluster), context.signal)
    })
  }

  #bringUp(name: string, objects: KubeObject[]): Promise<void> {
    return this.#work.context.step(name, async (step) => {
      await this.#await(await this.#apply(objects, step), step)
    })
  }

  async #apply(objects: KubeObject[], step: { progress(text: string): void; note(text: string): void }): Promise<Target[]> {
    const since = Date.now()
    const marked = withSecretVersions(
      objects,
      this.#secrets.map(({ metadata }) => metadata),
    )
    const sent = await this.#applier.apply(marked)
    if (sent.length > 0) step.progress(`applied ${sent.length} of ${objects.length}`)
    else step.note('unchanged')
    return marked.filter(isAwaited).map((object) => targetOf(this.#work, object, this.#applier, since))
  }

  /** A node may have thrown away an image that it was given: then all are offered once more. */
  async #await(targets: Target[], step: { progress(text: string): void }): Promise<void> {
    const { client, context } = this.#work
    const options = { signal: context.signal, progress: (text: string) => step.progress(text) }
    try {
      await awaitReady(client, this.#observer, targets, options)
    } catch (error) {
      if (!(error instanceof ShivError) || error.code !== 'POD_IMAGE_MISSING' || !this.#delivery.hasSkipped) throw error
      await this.#delivery.again()
      const since = Date.now()
      await awaitReady(
        client,
        this.#observer,
        targets.map((target) => ({ ...target, since })),
        options,
      )
    }
  }
}

function targetOf({ plan, cluster }: Reconciliation, object: KubeObject, applier: Applier, since: number): Target {
  const live = applier.liveOf(object)
  if (live === undefined) throw new Error(`${nameOf(object)} was applied but is not known`)
  const subject = subjectOf(object) ?? object.metadata.name
  return {
    kind: object.kind,
    name: object.metadata.name,
    subject,
    since,
    generation: live.metadata.generation ?? 0,
    uid: live.metadata.uid,
    startedAfter: cluster.restartedAt ?? 0,
    dependencies: plan.services.find(({ name }) => name === subject)?.dependencies ?? [],
  }
}

function isAwaited({ kind, metadata }: KubeObject): boolean {
  return kind === 'Deployment' || kind === 'StatefulSet' || (kind === 'Job' && metadata.annotations?.[LABEL.phase] === 'migrate')
}

function isMigration({ kind, metadata }: KubeObject): boolean {
  return kind === 'Job' && metadata.annotations?.[LABEL.phase] === 'migrate'
}

function isDatabase({ metadata }: KubeObject): boolean {
  return metadata.labels?.[LABEL.database] !== undefined
}

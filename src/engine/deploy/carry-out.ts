import { setTimeout as delay } from 'node:timers/promises'
import { formatDuration } from '../../core/duration.ts'
import { ShivError } from '../../core/errors.ts'
import type { KubeObject } from '../../plan/types.ts'
import type { Redactor } from '../../core/redact.ts'
import type { DeployCaller, ObjectChange, ReleaseCluster } from './ports.ts'
import { type Author, type Release, type ReleaseImage, type Source, servingRelease } from './release.ts'
import type { Stopwatch } from './spans.ts'
import { requireScope } from './scope.ts'
import { stagesOf, withoutMigrations } from './stages.ts'
import type { Destination } from './target.ts'

/** What a release puts there. */
export interface Content {
  kind: Release['kind']
  objects: KubeObject[]
  image: ReleaseImage
  source?: Source
  unknown: string[]
  changes: ObjectChange[]
  restores?: number
  /** The newest release when it was decided on: it is of no use after another, or once that one has ended. */
  after?: Pick<Release, 'revision' | 'outcome'>
}

export interface Scene {
  destination: Destination
  cluster: ReleaseCluster
  caller: DeployCaller
  watch: Stopwatch
  redactor: Redactor
  by: Author
  startedAt: number
  waits: boolean
  takesOver: boolean
  /** Tells the caller who is waited for, and that a dead deploy was found. */
  tell(text: string): void
}

/** How long a service that is rolled out may take to its first good answer. */
const PATIENCE_MS = 30_000
const RECORD_ATTEMPTS = 4
const RECORD_PAUSE_MS = 500

/**
 * Makes a release real under the service's lock, and writes down how it went. What fails is taken back to the release that served. Throws what failed,
 * with what became of it.
 */
export async function carryOut(scene: Scene, content: Content): Promise<Release> {
  const { cluster, watch, destination } = scene
  cluster.expectRollout()
  await cluster.ensureNamespace(destination.plan.objects)
  const lock = await watch.time('lock', 'lock', () =>
    cluster.lock(holderOf(scene.by), {
      waits: scene.waits,
      signal: scene.caller.signal,
      onWaiting: (holder) => scene.tell(`${destination.service} is being deployed by ${holder}: waiting for its end`),
    }),
  )
  const signal = AbortSignal.any([scene.caller.signal, lock.signal])
  try {
    const history = await settle(scene, await cluster.history())
    requireNewest(scene, content, history)
    const before = servingRelease(history)
    const release = begin(scene, content, (history.at(-1)?.revision ?? 0) + 1)
    const keep = before === undefined ? [] : [before.revision, before.restores ?? before.revision]
    await cluster.remember(release, { objects: content.objects, keep })
    let health: NonNullable<Release['health']>
    try {
      health = await realise(scene, content, signal)
    } catch (error) {
      throw await takeBack(scene, { error, release, before, keep, lock: lock.signal })
    }
    return await recordSuccess(scene, { ...release, outcome: 'succeeded', health }, keep, lock.signal)
  } finally {
    await lock.release()
  }
}

/** A rollback that waited for a deploy would bring back what nobody looked at. */
function requireNewest({ destination: { target } }: Scene, { after }: Content, history: Release[]): void {
  const newest = history.at(-1)
  if (after === undefined || newest === undefined) return
  // One whose deployer died was running then and will not end.
  const isSame = newest.revision === after.revision && (newest.outcome === after.outcome || newest.outcome === 'abandoned')
  if (isSame) return
  throw new ShivError(
    `Release ${newest.revision} of ${target.service} ended while the rollback waited (${newest.outcome}): nothing was done.`,
    {
      code: 'DEPLOY_MOVED_ON',
      hint: `look at what serves now, then say which release is wanted: shiv deploy ${target.service} --env ${target.environment} --history`,
    },
  )
}

/** Foundation, databases, migrations, then the pods; traffic only goes to what is ready. */
async function realise(scene: Scene, { objects, kind }: Content, signal: AbortSignal): Promise<NonNullable<Release['health']>> {
  const { cluster, watch, destination, takesOver } = scene
  const { plan } = destination
  const { timeoutMs, steadyMs } = plan.rollout
  const stages = stagesOf(objects)
  const apply = (some: KubeObject[]): Promise<void> => cluster.apply(some, { takesOver, signal })
  if (stages.databases.length > 0) await cluster.ensureCredentials(plan)
  await watch.time('foundation', 'foundation', () => apply([...stages.foundation, ...stages.databases]))
  const wait = (name: string, title: string, some: KubeObject[]): Promise<void> =>
    watch.time(name, title, (step) => cluster.awaitRollout(some, { timeoutMs, signal, step }))
  if (stages.databases.length > 0) await wait('databases', 'databases', stages.databases)
  if (stages.migrations.length > 0 && kind === 'deploy') {
    await watch.time('migrate', 'migrations', async (step) => {
      await apply(stages.migrations)
      await cluster.awaitRollout(stages.migrations, { timeoutMs, signal, step })
    })
  }
  await watch.time('apply', 'apply', () => apply(stages.workloads))
  await wait('rollout', 'rollout', stages.workloads)
  const health = await watch.time('health', 'health', async (step) => {
    const asked = watch.now()
    const proof = await cluster.proveHealth(plan, {
      steadyMs,
      patienceMs: Math.min(PATIENCE_MS, timeoutMs),
      signal,
      answered: () => watch.add({ name: 'first-answer', parent: 'health', startMs: asked, durationMs: watch.now() - asked }),
    })
    step.note(proof.url === undefined ? 'its pods are ready' : `${proof.url} answers`)
    return proof
  })
  // What left the Plan may be what the pods of before stand on, or those pods themselves: it goes when they are not needed any more.
  await cluster.prune(objects, signal)
  return health
}

interface Failure {
  error: unknown
  release: Release
  before: Release | undefined
  keep: number[]
  /** Aborts when the lock is lost: the world is somebody else's then, the record too. */
  lock: AbortSignal
}

/** What served before serves again, where there is such a thing and the user did not just leave. Gives the error to throw. */
async function takeBack(scene: Scene, failure: Failure): Promise<unknown> {
  const { caller, redactor, destination } = scene
  const { error, release, before, keep, lock } = failure
  const record = (ended: Release): Promise<Release> => {
    lock.throwIfAborted()
    return end(scene, ended, keep)
  }
  const told = { code: error instanceof ShivError ? error.code : 'INTERNAL', message: redactor.text(messageOf(error)) }
  const again = againOf(destination)
  lock.throwIfAborted()
  if (caller.signal.aborted) {
    await record({ ...release, outcome: 'interrupted', error: { code: 'INTERRUPTED', message: 'given up by its caller' } })
    return error
  }
  const objects = before === undefined ? undefined : await keptObjects(scene, before)
  if (before === undefined || objects === undefined) {
    await record({ ...release, outcome: 'failed', error: told })
    return withEnd(error, `Nothing earlier is known to go back to: it is left as it is.`, again)
  }
  const began = scene.watch.now()
  try {
    await scene.watch.time('rollback', 'rollback', (step) => bringBack(scene, objects, { step, lock }))
  } catch (second) {
    await record({ ...release, outcome: 'failed', error: told })
    return withEnd(error, `Going back to release ${before.revision} failed as well: ${messageOf(second)}`, again)
  }
  await record({ ...release, outcome: 'rolled-back', error: told, rolledBackTo: before.revision })
  const took = formatDuration(scene.watch.now() - began)
  return withEnd(error, `Release ${release.revision} was taken back in ${took}: release ${before.revision} serves.`, again)
}

/** Undefined where they are not kept any more, cannot be read, or are not this service's. */
async function keptObjects({ cluster, destination, tell }: Scene, { revision }: Release): Promise<KubeObject[] | undefined> {
  try {
    const objects = await cluster.objectsOf(revision)
    if (objects !== undefined) requireScope(objects, destination, revision)
    return objects
  } catch (error) {
    tell(`release ${revision} cannot be brought back: ${messageOf(error)}`)
    return undefined
  }
}

async function bringBack(
  { cluster, destination }: Scene,
  kept: KubeObject[],
  { step, lock }: { step: Parameters<ReleaseCluster['awaitRollout']>[1]['step']; lock: AbortSignal },
): Promise<void> {
  const { rollout } = destination.plan
  const objects = withoutMigrations(kept)
  const signal = AbortSignal.any([lock, AbortSignal.timeout(rollout.timeoutMs + PATIENCE_MS)])
  await cluster.apply(objects, { takesOver: true, signal })
  await cluster.awaitRollout(objects, { timeoutMs: rollout.timeoutMs, signal, step })
  await cluster.prune(kept, signal)
}

/** What serves is not taken back because it could not be written down; the cluster is asked again before that is said. */
async function recordSuccess(scene: Scene, release: Release, keep: number[], lock: AbortSignal): Promise<Release> {
  for (let attempt = 1; ; attempt += 1) {
    lock.throwIfAborted()
    try {
      return await end(scene, release, keep)
    } catch (error) {
      if (attempt === RECORD_ATTEMPTS) {
        const fate = `Release ${release.revision} serves and is well, but its record says that it still runs.`
        throw withEnd(error, fate, againOf(scene.destination))
      }
      await delay(RECORD_PAUSE_MS, undefined, { signal: lock })
    }
  }
}

/** Releases that say that they run are of deployers that died: the lock is ours. */
async function settle(scene: Scene, history: Release[]): Promise<Release[]> {
  const settled = history.map((release) =>
    release.outcome === 'running' ? { ...release, outcome: 'abandoned' as const } : release,
  )
  for (const release of settled.filter((one, index) => one !== history[index])) {
    await scene.cluster.remember(release, { keep: [] })
    scene.tell(`release ${release.revision} of ${release.by.user} was never finished: this one takes its place`)
  }
  return settled
}

function begin({ destination, watch, by, startedAt }: Scene, content: Content, revision: number): Release {
  const { target, plan } = destination
  return {
    version: 1,
    revision,
    kind: content.kind,
    ...target,
    strategy: plan.rollout.strategy,
    outcome: 'running',
    image: content.image,
    ...(content.source !== undefined && { source: content.source }),
    unknown: content.unknown,
    by,
    startedAt,
    spans: watch.spans(),
    ...(content.restores !== undefined && { restores: content.restores }),
    changes: content.changes.map(({ name, action }) => `${name} ${PAST[action]}`),
  }
}

const PAST = { add: 'added', change: 'changed', replace: 'made anew', remove: 'removed' }

async function end({ cluster, watch, startedAt }: Scene, release: Release, keep: number[]): Promise<Release> {
  const ended = { ...release, finishedAt: startedAt + watch.now(), spans: watch.spans() }
  await cluster.remember(ended, { keep })
  return ended
}

function againOf({ service, target }: Destination): string {
  return `shiv deploy ${service} --env ${target.environment}`
}

function holderOf({ user, host }: Author): string {
  return `${user} on ${host}, pid ${process.pid}`
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** The cause first, then what became of it; a hint that names another command is made to name this one. */
function withEnd(error: unknown, fate: string, again: string): unknown {
  if (!(error instanceof ShivError)) return error
  return new ShivError(`${error.message.replace(/\.?$/, '.')} ${fate}`, {
    code: error.code,
    exit: error.exit,
    hint: error.hint?.replaceAll(/(run )?shiv start( again)?/g, `run ${again} again`),
    evidence: error.evidence,
    faults: error.faults,
    cause: error,
  })
}

import { setTimeout as delay } from 'node:timers/promises'
import { ShivError } from '../../core/errors.ts'
import type { ClusterTarget, DeployCaller, PodState, ReleaseCluster } from '../../engine/deploy/ports.ts'
import type { KubeObject } from '../../plan/types.ts'
import { type Target, awaitReady } from '../kubernetes/await-ready.ts'
import { KubeApiError, type KubeClient, isMissing } from '../kubernetes/client.ts'
import { readLogs } from '../kubernetes/logs.ts'
import { knownPath, nameOf } from '../kubernetes/mapping.ts'
import { LABEL, type Live, type Pod, type Workload } from '../kubernetes/objects.ts'
import { type Observer, emptyView, observe } from '../kubernetes/observer.ts'

import { isRolledOut } from '../kubernetes/rollout.ts'
import { scaleToMinimum } from '../kubernetes/scale-to-minimum.ts'
import { makeCredentials } from '../kubernetes/secrets.ts'
import { replicasOf, subjectOf } from '../kubernetes/state.ts'
import { applyRelease, pruneService } from './apply.ts'
import { connectUserCluster } from './client.ts'
import { compareObjects } from './compare.ts'
import { proveHealth } from './health.ts'
import { leaseHolder, takeLease } from './lease.ts'
import { DEPLOYER } from './objects.ts'
import { isInCluster, markNamespace, readReadiness } from './readiness.ts'
import { withWords } from './words.ts'
import { readObjects, readReleases, writeRelease } from './records.ts'

/** A registry that stumbles is asked again by the kubelet after 10 s. */
const PULL_AGAIN_MS = 25_000

/** The cluster behind a context of the user's kubeconfig, for one service of one namespace. */
export async function openReleaseCluster(target: ClusterTarget, caller: DeployCaller): Promise<ReleaseCluster> {
  const cluster = await connectUserCluster(target.context, caller)
  const { client, server } = cluster
  const { namespace, service, workspace } = target
  const place = { namespace, service }
  const applied = new Map<string, Live>()
  let watching: Promise<Observer> | undefined
  let hasNamespace = true
  let isMarked = false

  const observer = (): Promise<Observer> => (watching ??= observe(client, namespace))

  const release: ReleaseCluster = {
    server,
    expectRollout() {
      // A failure is met by who waits for it.
      observer().catch(() => (watching = undefined))
    },
    history: () => readReleases(client, place),
    objectsOf: (revision) => readObjects(client, place, revision),
    remember: (release, options) => writeRelease(client, place, release, options),
    lockHolder: () => leaseHolder(client, place),

    async readiness(plan) {
      const found = await readReadiness(client, plan)
      hasNamespace = found.namespace !== 'missing'
      isMarked = found.deployedAs !== undefined
      return found
    },

    async compare(objects, { takesOver }) {
      const { live, ...comparison } = await compareObjects(client, objects, { run: workspace, takesOver, hasNamespace })
      for (const [name, object] of live) applied.set(name, object)
      return comparison
    },

    async ensureNamespace(objects) {
      const object = objects.find(({ kind }) => kind === 'Namespace')
      if (!hasNamespace && object !== undefined) await createNamespace(client, object, target.context)
      hasNamespace = true
      if (!isMarked) await markNamespace(client, namespace, target.environment)
    },

    lock(holder, options) {
      return takeLease(client, place, holder, options)
    },

    async ensureCredentials(plan) {
      const secrets = plan.secrets.filter(({ name }) => isInCluster(plan, name))
      const objects = await makeCredentials(client, { ...plan, secrets }, workspace)
      await Promise.all(
        objects.map((body) =>
          client.call('POST', `${knownPath('Secret', namespace)}?fieldManager=${DEPLOYER}`, { body }).catch((error: unknown) => {
            if (!(error instanceof KubeApiError) || error.status !== 409) throw error
          }),
        ),
      )
    },

    async apply(objects, options) {
      await applyRelease(client, objects, options, (object, live) => applied.set(nameOf(object), live))
      await scaleToMinimum(client, objects, (object) => applied.get(nameOf(object)), options.signal)
    },

    async awaitRollout(objects, { timeoutMs, signal, step }) {
      const since = Date.now()
      const targets = objects.filter(isAwaited).map((object) => targetOf(object, applied, since))
      if (targets.length === 0) return
      const options = { signal, progress: (text: string) => step.progress(text), deadlineMs: timeoutMs }
      const watch = await observer()
      for (;;) {
        try {
          return await awaitReady(client, watch, targets, options)
        } catch (error) {
          const isPull = error instanceof ShivError && error.code === 'POD_IMAGE_MISSING'
          if (!isPull || Date.now() - since > Math.min(PULL_AGAIN_MS, timeoutMs)) throw error
          step.progress('its image could not be pulled; the cluster tries again')
          await delay(1_000, undefined, { signal })
        }
      }
    },

    prune: (objects, signal) => pruneService(client, { namespace, service, workspace }, objects, signal),

    async proveHealth(plan, options) {
      const [planned] = plan.services
      if (planned === undefined) throw new Error('a Plan to deploy has one service')
      const watch = await watching
      const trouble = watch === undefined ? () => undefined : stumbles(watch, service)
      return proveHealth(planned, cluster, namespace, { ...options, trouble })
    },

    isRolledOut: (objects) =>
      objects.filter(isAwaited).every((object) => {
        const live = applied.get(nameOf(object)) as Workload | undefined
        return live !== undefined && isRolledOut(object.kind, live)
      }),

    async pods() {
      const selector = encodeURIComponent(`${LABEL.service}=${service}`)
      const list = await client.call<{ items: Pod[] | null }>('GET', `${knownPath('Pod', namespace)}?labelSelector=${selector}`)
      const view = { ...emptyView(), pods: list.items ?? [] }
      return replicasOf(view, service).map(({ id, state, restarts, image = '', since, cause }): PodState => ({
        name: id,
        state,
        restarts,
        image,
        since,
        ...(cause !== undefined && { cause }),
      }))
    },

    logs: (query, signal) => readLogs(client, namespace, query, signal),

    close() {
      watching?.then(
        (open) => open.close(),
        () => {}, // it never opened
      )
      client.close()
    },
  }
  return withWords(release, target.context)
}

/** Tells when a pod of the service that was ready is not any more, or a container was started again. */
function stumbles(watch: Observer, service: string): () => string | undefined {
  const restartsNow = (): number =>
    watch
      .view()
      .pods.filter((pod) => subjectOf(pod) === service && pod.metadata.deletionTimestamp === undefined)
      .flatMap(({ status }) => status.containerStatuses ?? [])
      .reduce((sum, { restartCount }) => sum + restartCount, 0)
  let restarts = restartsNow()
  return () => {
    const now = restartsNow()
    const hasRestarted = now > restarts
    restarts = now
    if (hasRestarted) return 'a container was started again'
    const { deployments, statefulSets } = watch.view()
    const unready = [...deployments, ...statefulSets].find(
      (workload) =>
        subjectOf(workload) === service && (workload.status?.readyReplicas ?? 0) < Math.min(1, workload.spec.replicas ?? 1),
    )
    return unready === undefined ? undefined : `no pod of ${unready.metadata.name} is ready`
  }
}

function targetOf(object: KubeObject, applied: Map<string, Live>, since: number): Target {
  const live = applied.get(nameOf(object))
  if (live === undefined) throw new Error(`${nameOf(object)} is waited for and was never applied`)
  return {
    kind: object.kind,
    name: object.metadata.name,
    subject: subjectOf(object) ?? object.metadata.name,
    since,
    generation: live.metadata.generation ?? 0,
    uid: live.metadata.uid,
    startedAfter: 0,
    dependencies: [],
  }
}

function isAwaited({ kind, metadata }: KubeObject): boolean {
  return kind === 'Deployment' || kind === 'StatefulSet' || (kind === 'Job' && metadata.annotations?.[LABEL.phase] === 'migrate')
}

async function createNamespace(client: KubeClient, body: KubeObject, context: string): Promise<void> {
  try {
    await client.call('POST', `${knownPath('Namespace')}?fieldManager=${DEPLOYER}`, { body })
  } catch (error) {
    if (error instanceof KubeApiError && error.status === 409) return
    if (!(error instanceof KubeApiError) || (error.status !== 403 && !isMissing(error))) throw error
    throw new ShivError(`The namespace ${body.metadata.name} is not there, and you may not make it: ${error.message}`, {
      code: 'DEPLOY_NO_NAMESPACE',
      exit: 3,
      hint: `whoever may makes it once: kubectl --context ${context} create namespace ${body.metadata.name}`,
      cause: error,
    })
  }
}

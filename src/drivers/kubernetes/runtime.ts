import { ShivError } from '../../core/errors.ts'
import type { Cluster, ClusterDriver, ImageBuilder, LiveState, RunContext, Runtime } from '../../engine/ports.ts'
import type { Plan } from '../../plan/types.ts'
import { createConnections } from './connection.ts'
import type { KubeClient } from './client.ts'
import { reopenDependencies } from './dependencies.ts'
import { buildImages, ensureImages } from './delivery.ts'
import { execInPod } from './exec.ts'
import { readLogs } from './logs.ts'
import { ensureMetricsServer } from './metrics-server.ts'
import { isOfRun, ownNamespace } from './namespace.ts'
import { type Observer, emptyView, look, observe } from './observer.ts'
import { probeMachine } from './probe.ts'
import { publish } from './publisher.ts'
import { readyPod } from './questions.ts'
import { readLive } from './readings.ts'
import { reconcile } from './reconcile.ts'
import { createKubernetesReload } from './reload.ts'
import { removeRun } from './remove.ts'
import { restartSubject } from './restart.ts'
import { readCredentials, requireSecretValues } from './secrets.ts'
import { type Credentials, replicasOf, stateOf } from './state.ts'

/** Stands in where none runs: an empty view leads nowhere. */
const NO_CLUSTER: Cluster = {
  kubeconfig: '',
  context: '',
  nodes: [],
  reach: (port) => ({ host: '', port }),
  nodePorts: undefined,
}

/** Newest images of a service that stay beside the one that runs: an edit taken back needs no build. */
const SPARE_IMAGES = 5

/** A run that is watched. */
interface Session {
  cluster: Cluster
  client: KubeClient
  namespace: string
  observer: Observer
  stopPublishing(): void
}

/** The `kind` runtime: a Plan's objects in a local cluster of ours. */
export function createKindRuntime(options: { home: string; cluster: ClusterDriver; images: ImageBuilder }): Runtime {
  const connections = createConnections()
  const sessions = new Map<string, Session>()

  const release = (runId: string) => {
    const session = sessions.get(runId)
    reload.detach(runId)
    session?.stopPublishing()
    session?.observer.close()
    sessions.delete(runId)
  }

  /** Watches the run's namespace, with the watch of before when it still stands, and tells `context` of what happens. */
  const watchRun = async (plan: Plan, cluster: Cluster, client: KubeClient, context: RunContext): Promise<Observer> => {
    const before = sessions.get(context.runId)
    const isUsable = before?.client === client && before.namespace === plan.namespace && before.observer.isConnected
    if (!isUsable) release(context.runId)
    const observer = isUsable ? before.observer : await observe(client, plan.namespace)
    before?.stopPublishing()
    const stopPublishing = publish(client, observer, plan, cluster, context)
    sessions.set(context.runId, { cluster, client, namespace: plan.namespace, observer, stopPublishing })
    reload.attach(context.runId, { client, observer }, context)
    return observer
  }

  /** A run that is being watched knows its cluster; otherwise the machine is asked. */
  const find = async (plan: Plan, context: RunContext): Promise<{ cluster: Cluster; client: KubeClient } | undefined> => {
    const session = sessions.get(context.runId)
    if (session?.observer.isConnected) return session
    const cluster = await options.cluster.find(plan.cluster)
    return cluster && { cluster, client: await connections.to(cluster) }
  }

  const require = async (plan: Plan, context: RunContext) => {
    const found = await find(plan, context)
    if (found !== undefined) return found
    throw new ShivError(`The cluster ${plan.cluster.name} is not running.`, {
      code: 'KUBE_CLUSTER_STOPPED',
      hint: 'shiv start',
      exit: 1,
    })
  }

  const reload = createKubernetesReload(async (plan, context) => {
    const session = sessions.get(context.runId)
    if (session?.observer.isConnected) return session
    const { client, cluster } = await require(plan, context)
    return { client, observer: await watchRun(plan, cluster, client, context) }
  })

  /** From the watch while it is connected, else read anew. */
  const viewOf = (plan: Plan, client: KubeClient, context: RunContext) => {
    const session = sessions.get(context.runId)
    return session?.client === client && session.observer.isConnected ? session.observer.view() : look(client, plan.namespace)
  }

  const stateIn = async (plan: Plan, cluster: Cluster, client: KubeClient, context: RunContext): Promise<LiveState> => {
    const [view, credentials] = await Promise.all([viewOf(plan, client, context), credentialsOf(plan, client)])
    return stateOf(plan, view, cluster, credentials)
  }

  /** Behind the start: what no edit of the last ones needs. Images that a pod still uses stay on their node until it is gone. */
  const collectOldImages = async (plan: Plan, cluster: Cluster, built: Map<string, string>): Promise<void> => {
    const repositories = plan.images.filter(({ source }) => source.kind === 'build').map(({ repository }) => repository)
    const gone = (await options.images.collectImages?.({ repositories, keep: [...built.values()], spare: SPARE_IMAGES })) ?? []
    if (gone.length > 0) await options.cluster.dropImages?.(cluster, gone)
  }

  return {
    name: 'kind',
    reload,
    probe: (environment) => probeMachine(environment),

    async build(plan, { fresh, discard }, context) {
      if (!discard) return ensureImages(plan, options.images, context, fresh)
      const gone = (await options.images.collectImages?.({ workspace: plan.workspace.name, keep: [] })) ?? []
      const cluster = gone.length > 0 ? await options.cluster.find(plan.cluster) : undefined
      if (cluster) await options.cluster.dropImages?.(cluster, gone)
      return []
    },

    async reconcile(plan, context) {
      context.signal.throwIfAborted()
      requireSecretValues(plan, context)
      const stop = new AbortController()
      const signal = AbortSignal.any([context.signal, stop.signal])
      const inner: RunContext = { ...context, signal }
      const building = buildImages(plan, options.images, inner, signal)
      let built: string[] = []
      building.then(
        (references) => (built = [...references.values()]),
        () => {}, // told where the build is waited for
      )
      const creating = options.cluster.ensure(plan.cluster, {
        signal,
        environment: context.environment,
        step: context.step,
        earlyImages: async () => [...plan.databases.map(({ image }) => image), ...built],
      })
      try {
        const [cluster] = await Promise.all([creating, Promise.race([creating, building.then(() => creating)])])
        const client = await connections.to(cluster)
        // A creation that goes on behind us may still fail; then nothing that is waited for here would ever come.
        options.cluster.settled?.(plan.cluster).catch((error: unknown) => stop.abort(error))
        const bring = async (images: string[]) => {
          await options.cluster.deliver(cluster, images, { signal, progress() {} })
        }
        await reconcile({
          plan,
          client,
          cluster,
          driver: options.cluster,
          context: inner,
          building,
          watch: () => watchRun(plan, cluster, client, context),
          afterServices() {
            if (!plan.objects.some(({ kind }) => kind === 'HorizontalPodAutoscaler')) return
            ensureMetricsServer(client, bring, context.signal).catch((error: unknown) => warnOfMetrics(context, error))
          },
        })
        collectOldImages(plan, cluster, await building).catch((error: unknown) => warnOfImages(context, error))
        return await stateIn(plan, cluster, client, context)
      } catch (error) {
        stop.abort(error)
        // Neither may go on behind a command that has ended; what they say then is a consequence of the abort.
        await Promise.allSettled([building, creating])
        context.signal.throwIfAborted()
        throw error
      }
    },

    async adopt(plan, context) {
      const found = await find(plan, context)
      if (found === undefined || !isOfRun(await ownNamespace(found.client, plan), context.runId)) return undefined
      const observer = await watchRun(plan, found.cluster, found.client, context)
      const view = observer.view()
      if (view.deployments.length === 0 && view.statefulSets.length === 0) {
        release(context.runId)
        return undefined
      }
      await reopenDependencies(found.client, plan, options.cluster, context)
      return stateIn(plan, found.cluster, found.client, context)
    },

    async read(plan, context) {
      const found = await find(plan, context)
      if (found === undefined) return stateOf(plan, emptyView(), NO_CLUSTER, new Map())
      return stateIn(plan, found.cluster, found.client, context)
    },

    async readings(plan, targets, context) {
      const { client, cluster } = await require(plan, context)
      return readLive(client, plan, targets, { view: await viewOf(plan, client, context), cluster, signal: context.signal })
    },

    async *logs(plan, query, context) {
      const { client } = await require(plan, context)
      yield* readLogs(client, plan.namespace, query, context.signal)
    },

    async exec(plan, service, argv, context) {
      const { client } = await require(plan, context)
      const view = await look(client, plan.namespace)
      const pod = readyPod(view, service)
      if (pod === undefined) throw noReplica(service, replicasOf(view, service).length)
      const container = pod.spec.containers.find(({ name }) => name === service) ?? pod.spec.containers[0]
      return execInPod(client, pod, container?.name ?? '', argv, context.signal)
    },

    async restart(plan, service, context) {
      const { client, cluster } = await require(plan, context)
      const session = sessions.get(context.runId)
      const observer = session?.observer ?? (await watchRun(plan, cluster, client, context))
      await restartSubject(client, observer, plan, service, context)
    },

    async remove(plan, { purge }, context) {
      release(context.runId)
      const found = await find(plan, context)
      if (found !== undefined) return removeRun(found.client, plan, purge, context.signal)
      if (purge && (await options.cluster.isStopped?.(plan.cluster))) throw stoppedWithData(plan.cluster.name)
      return undefined
    },

    async release(runId) {
      release(runId)
      if (sessions.size === 0) connections.close()
    },
  }
}

async function credentialsOf(plan: Plan, client: KubeClient): Promise<Credentials> {
  const entries = await Promise.all(
    plan.databases.map(async ({ name, secret }) => [name, await readCredentials(client, plan.namespace, secret)] as const),
  )
  return new Map(entries.filter((entry): entry is [string, Record<string, string>] => entry[1] !== undefined))
}

function warnOfImages(context: RunContext, error: unknown): void {
  if (context.signal.aborted) return
  context.emit({
    kind: 'warning',
    code: 'KIND_IMAGES_NOT_COLLECTED',
    message: `older images could not be removed: ${error instanceof Error ? error.message : String(error)}`,
    hint: 'shiv start tries again.',
  })
}

function warnOfMetrics(context: RunContext, error: unknown): void {
  if (context.signal.aborted) return
  context.emit({
    kind: 'warning',
    code: 'KUBE_METRICS_MISSING',
    message: `metrics-server could not be installed, so nothing scales by CPU: ${error instanceof Error ? error.message : String(error)}`,
    hint: 'shiv start tries again.',
  })
}

function noReplica(service: string, count: number): ShivError {
  return new ShivError(`${service} has no replica that is ready${count > 0 ? ` (${count} are not)` : ''}.`, {
    code: 'POD_NOT_READY',
    hint: 'shiv status shows its replicas, shiv logs what they wrote.',
  })
}

function stoppedWithData(cluster: string): ShivError {
  return new ShivError(`The cluster ${cluster} is stopped: the data in it cannot be deleted.`, {
    code: 'KUBE_CLUSTER_STOPPED',
    hint: `shiv start && shiv stop --purge; or the whole cluster with what all workspaces have in it: kind delete cluster --name ${cluster}`,
  })
}

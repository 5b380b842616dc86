import type { Cluster, DatabaseState, Endpoint, LiveState, ReplicaState, ServiceState } from '../../engine/ports.ts'
import type { DatabasePlan, Plan, ServicePlan } from '../../plan/types.ts'
import { howItEnded } from './diagnose-container.ts'
import { LABEL, type Pod, type ServiceObject, type Workload, controllerOf } from './objects.ts'
import type { View } from './observer.ts'
import { databaseDoor, nodePortOf } from './reach.ts'
import { databaseUrl } from './secrets.ts'

export type Replica = ServiceState['replicas'][number]
/** Values of the databases' Secrets, by database. */
export type Credentials = Map<string, Record<string, string>>

/** The state of a run as a view of its namespace tells it. */
export function stateOf(plan: Plan, view: View, cluster: Cluster, credentials: Credentials): LiveState {
  return {
    services: plan.services.map((service) => serviceState(service, view, cluster)),
    databases: plan.databases.map((database) => databaseState(database, view, cluster, credentials)),
    cron: plan.services.flatMap((service) => service.cron.map((job) => cronState(service, job, view))),
  }
}

/** The pods that serve for a service or database; not those of Jobs, nor those that are being deleted. */
export function replicasOf(view: View, subject: string): Replica[] {
  return view.pods
    .filter((pod) => subjectOf(pod) === subject && pod.metadata.deletionTimestamp === undefined)
    .filter((pod) => /^(ReplicaSet|StatefulSet)$/.test(controllerOf(pod)?.kind ?? ''))
    .map(replicaOf)
    .sort((a, b) => (a.id < b.id ? -1 : 1))
}

/** The service or database that an object belongs to. */
export function subjectOf(object: { metadata: { labels?: Record<string, string> } }): string | undefined {
  return object.metadata.labels?.[LABEL.database] ?? object.metadata.labels?.[LABEL.service]
}

function serviceState(service: ServicePlan, view: View, cluster: Cluster): ServiceState {
  const object = view.services.find(({ metadata }) => metadata.name === service.name)
  const debug = debugOf(service, view, cluster)
  return {
    name: service.name,
    kind: service.kind,
    replicas: replicasOf(view, service.name),
    desired: [...view.deployments, ...view.statefulSets]
      .filter((workload) => subjectOf(workload) === service.name)
      .reduce((sum, { spec }) => sum + (spec.replicas ?? 1), 0),
    endpoints: endpointsOf(object, view, cluster),
    ...(debug && { debug }),
  }
}

function endpointsOf(service: ServiceObject | undefined, view: View, cluster: Cluster): Record<string, Endpoint[]> {
  const isReady = service !== undefined && hasReadyEndpoint(view, service.metadata.name)
  const ports = (service?.spec.ports ?? []).filter(({ nodePort }) => nodePort !== undefined)
  return Object.fromEntries(
    ports.map(({ name, nodePort }) => [name ?? 'http', isReady ? [cluster.reach(nodePort as number)] : []]),
  )
}

/** Whether a Service leads to a pod that is ready. */
export function hasReadyEndpoint(view: View, service: string): boolean {
  return view.slices.some(
    ({ metadata, endpoints }) =>
      metadata.labels?.['kubernetes.io/service-name'] === service &&
      endpoints?.some(({ conditions }) => conditions?.ready !== false),
  )
}

function debugOf(service: ServicePlan, view: View, cluster: Cluster): ServiceState['debug'] {
  const endpoint = nodePortOf(view, `${service.name}-debug`, undefined, cluster)
  return endpoint && { protocol: service.language.debug?.protocol ?? 'tcp', ...endpoint }
}

function databaseState(database: DatabasePlan, view: View, cluster: Cluster, credentials: Credentials): DatabaseState {
  const replica = replicasOf(view, database.name)[0]
  const address = databaseDoor(view, database.name, cluster) ?? { host: '', port: 0 }
  const values = credentials.get(database.name)
  return {
    name: database.name,
    type: database.type,
    version: database.version,
    state: replica?.state ?? 'stopped',
    url: values === undefined || address.port === 0 ? '' : databaseUrl(database, values, address),
    ...address,
    ...(replica?.cause !== undefined && { cause: replica.cause }),
  }
}

function cronState(service: ServicePlan, job: ServicePlan['cron'][number], view: View): LiveState['cron'][number] {
  const component = `cron-${job.name}`
  const object = view.cronJobs.find(
    (candidate) =>
      subjectOf(candidate) === service.name && candidate.metadata.labels?.['app.kubernetes.io/component'] === component,
  )
  const last = view.jobs
    .filter((candidate) => controllerOf(candidate)?.uid === object?.metadata.uid && object !== undefined)
    .sort((a, b) => Date.parse(b.metadata.creationTimestamp) - Date.parse(a.metadata.creationTimestamp))[0]
  const lastRun = Date.parse(last?.metadata.creationTimestamp ?? object?.status?.lastScheduleTime ?? '')
  const lastResult = last && resultOf(last)
  return {
    service: service.name,
    name: job.name,
    schedule: object?.spec.schedule ?? job.schedule,
    ...(!Number.isNaN(lastRun) && { lastRun }),
    ...(lastResult && { lastResult }),
  }
}

function resultOf(job: Workload): 'succeeded' | 'failed' | undefined {
  const is = (type: string) => job.status?.conditions?.some((condition) => condition.type === type && condition.status === 'True')
  return is('Complete') ? 'succeeded' : is('Failed') ? 'failed' : undefined
}

function replicaOf(pod: Pod): Replica {
  const container = pod.status.containerStatuses?.[0]
  const ready = pod.status.conditions?.find(({ type }) => type === 'Ready')
  const { state, cause } = conditionOf(pod)
  return {
    id: pod.metadata.name,
    state,
    restarts: container?.restartCount ?? 0,
    since: Date.parse(ready?.lastTransitionTime ?? pod.metadata.creationTimestamp),
    ...(cause !== undefined && { cause }),
    ...(pod.spec.containers[0] && { image: pod.spec.containers[0].image }),
  }
}

function conditionOf(pod: Pod): { state: ReplicaState; cause?: string } {
  if (pod.status.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True')) return { state: 'ready' }
  const containers = [...(pod.status.initContainerStatuses ?? []), ...(pod.status.containerStatuses ?? [])]
  for (const { state, lastState } of containers) {
    const waiting = state?.waiting
    const ended = state?.terminated ?? (waiting?.reason === 'CrashLoopBackOff' ? lastState?.terminated : undefined)
    if (ended !== undefined && (ended.exitCode !== 0 || waiting !== undefined)) {
      return { state: 'crashed', cause: ended.reason === 'OOMKilled' ? 'needed more memory than its limit' : howItEnded(ended) }
    }
    if (waiting?.reason !== undefined && !/ContainerCreating|PodInitializing/.test(waiting.reason)) {
      return { state: 'starting', cause: `${waiting.reason}${waiting.message ? `: ${waiting.message}` : ''}` }
    }
  }
  const main = pod.status.containerStatuses?.[0]
  return { state: main?.started ? 'unready' : 'starting' }
}

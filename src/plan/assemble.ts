import { ShivError } from '../core/errors.ts'
import type { Model, Service } from '../spec/model.ts'
import { databaseObjects } from './database-objects.ts'
import { databasesOf } from './databases.ts'
import { envOf } from './env.ts'
import { autoscalerObject, budgetObject, ingressObject, serviceObject } from './exposure.ts'
import { imageOf } from './images.ts'
import { partLabels } from './labels.ts'
import { languageOf } from './language.ts'
import { localNamespace } from './localise-shared.ts'
import { shortName } from './names.ts'
import { namespaceObjects } from './namespace.ts'
import { denyPolicy, servicePolicy } from './network.ts'
import { kubeObject } from './object.ts'
import type { ObjectScope } from './object.ts'
import { publicUrlOf, rolloutOf } from './release.ts'
import { remoteEnvironmentsOf, remotesOf } from './remotes.ts'
import type { RemoteForm } from './remotes.ts'
import { secretsOf } from './secrets.ts'
import type { KubeObject, Plan, ServicePlan } from './types.ts'
import { cronWorkload, migrateWorkload, serverWorkload, workerWorkload, workloadName } from './workloads.ts'

/** Production's Plan for the services, before any patch; in the `local` form with the addresses that lead to the proxy of dependencies. */
export function assemblePlan(model: Model, services: Service[], form: RemoteForm = 'production'): Plan {
  const { workspace, environment, cluster } = model
  const namespace = environment.namespace ?? workspace.name
  const remotes = remotesOf(services, model, form, form === 'local' ? localNamespace(model) : namespace)
  const scope: ObjectScope = { model, namespace, remotes }
  const databases = databasesOf(services, model, form === 'local')
  const objects = [
    ...namespaceObjects(scope),
    ...(model.platform.networkPolicy ? [denyPolicy(scope)] : []),
    ...services.flatMap((service) => serviceObjects(service, scope)),
    ...(form === 'production' && environment.databases === 'cluster'
      ? databases.flatMap((database) => databaseObjects(database, scope, { isReachedFromHost: false }))
      : []),
  ]
  refuseTwins(objects)
  return {
    version: 1,
    workspace: { name: workspace.name, root: workspace.root },
    environment: environment.name,
    runtime: 'production',
    namespace,
    rollout: rolloutOf(model),
    cluster: { ...cluster },
    images: services.map((service) => imageOf(service, model)),
    databases,
    services: services.map((service) => servicePlan(service, model)),
    remotes,
    remoteEnvironments: remoteEnvironmentsOf(remotes, model),
    objects: inApplyOrder(objects),
    secrets: secretsOf(services, databases, remotes),
    substitutions: [],
    alerts: services.flatMap((service) => service.observability.alerts.map((receiver) => ({ service: service.name, receiver }))),
    patches: [],
  }
}

function serviceObjects(service: Service, scope: ObjectScope): KubeObject[] {
  const env = envOf(service, scope.model)
  const server = partLabels(service.name, 'server')
  const hasPorts = service.ports.length > 0
  const account = kubeObject(
    scope,
    { apiVersion: 'v1', kind: 'ServiceAccount', name: service.name, labels: { 'app.kubernetes.io/name': service.name } },
    { automountServiceAccountToken: false },
  )
  const workers = service.workers.flatMap((worker) => {
    const workload = workerWorkload(worker, service, env, scope)
    const labels = partLabels(service.name, shortName(`worker-${worker.name}`))
    return [workload, budgetObject(workload.metadata.name, labels, worker.replicas, scope)]
  })
  return [
    account,
    scope.model.platform.networkPolicy ? servicePolicy(service, scope) : undefined,
    hasPorts ? serviceObject(service, scope) : undefined,
    ingressObject(service, scope),
    service.migrate ? migrateWorkload(service.migrate, service, env, scope) : undefined,
    serverWorkload(service, env, scope),
    ...workers,
    ...service.cron.map((cron) => cronWorkload(cron, service, env, scope)),
    autoscalerObject(service, scope),
    budgetObject(workloadName(service), server, service.scaling.minReplicas, scope),
  ].filter((object) => object !== undefined)
}

function servicePlan(service: Service, model: Model): ServicePlan {
  const language = languageOf(service, model)
  const command = service.command ?? (language.process.run.length > 0 ? language.process.run : undefined)
  const { minReplicas, maxReplicas, cpuTarget } = service.scaling
  const publicUrl = publicUrlOf(service, model)
  return {
    name: service.name,
    kind: service.ports.length > 0 ? 'service' : 'worker',
    root: service.root,
    language,
    command,
    ports: service.ports,
    health: service.health,
    ...(publicUrl !== undefined && { publicUrl }),
    env: envOf(service, model),
    replicas: { min: minReplicas, max: Math.max(minReplicas, maxReplicas), ...(cpuTarget !== undefined && { cpuTarget }) },
    databases: service.databases.map((use) => use.name),
    dependencies: service.dependencies,
    remotes: service.remotes.map((remote) => remote.name),
    migrate: service.migrate,
    workers: service.workers,
    cron: service.cron,
    volumes: service.volumes,
    metrics: service.observability.metrics,
    logging: service.observability.logging,
    terminationGraceSeconds: model.platform.terminationGraceSeconds,
  }
}

const APPLY_ORDER = [
  ['Namespace'],
  ['ResourceQuota'],
  ['NetworkPolicy'],
  ['ServiceAccount'],
  ['ConfigMap'],
  ['Service'],
  ['EndpointSlice'],
  ['Job'],
  ['StatefulSet', 'Deployment', 'CronJob'],
  ['HorizontalPodAutoscaler', 'PodDisruptionBudget', 'Ingress'],
]

/** Sorts by the order of `Plan.objects`; databases come before what uses them. */
export function inApplyOrder(objects: KubeObject[]): KubeObject[] {
  const job = APPLY_ORDER.findIndex((kinds) => kinds.includes('Job'))
  const rank = (object: KubeObject): number => {
    if (object.kind === 'StatefulSet' && object.metadata.labels?.['shiv.dev/database'] !== undefined) return job - 0.5
    return APPLY_ORDER.findIndex((kinds) => kinds.includes(object.kind))
  }
  return objects.toSorted((a, b) => rank(a) - rank(b))
}

/** A worker `mailer` of `orders` and a service `orders-mailer` would be one object. */
export function refuseTwins(objects: KubeObject[]): void {
  const seen = new Map<string, KubeObject>()
  for (const object of objects) {
    const id = `${object.kind} ${object.metadata.namespace ?? ''} ${object.metadata.name}`
    const twin = seen.get(id)
    if (twin) {
      const owners = [twin, object].map((one) => one.metadata.labels?.['app.kubernetes.io/name'] ?? 'the platform')
      throw new ShivError(
        `two things are named ${object.metadata.name}: one belongs to ${owners[0]}, the other to ${owners[1]}`,
        {
          code: 'PLAN_NAME_TAKEN',
          exit: 2,
          hint: 'Rename the worker, cron job, database or service that makes the second one.',
        },
      )
    }
    seen.set(id, object)
  }
}

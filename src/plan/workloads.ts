import type { CronJob, Service, Worker } from '../spec/model.ts'
import { partLabels } from './labels.ts'
import { CRON_JOB_LENGTH, shortName, STATEFUL_SET_LENGTH } from './names.ts'
import { kubeObject } from './object.ts'
import type { ObjectScope } from './object.ts'
import { podTemplate } from './pod.ts'
import type { EnvPlan, KubeObject } from './types.ts'

/** Whether an autoscaler owns the number of replicas. */
export function isAutoscaled(service: Service): boolean {
  return service.scaling.cpuTarget !== undefined && service.scaling.maxReplicas > service.scaling.minReplicas
}

/**
 * What serves: a Deployment, or with volumes a StatefulSet, which gives every replica a volume of its own and never lets two
 * pods hold the same one.
 */
export function serverWorkload(service: Service, env: EnvPlan[], scope: ObjectScope): KubeObject {
  const isStateful = service.volumes.length > 0
  const template = podTemplate({
    service,
    model: scope.model,
    remotes: scope.remotes,
    env,
    part: 'server',
    command: service.command,
    isServer: true,
  })
  return kubeObject(
    scope,
    {
      apiVersion: 'apps/v1',
      kind: isStateful ? 'StatefulSet' : 'Deployment',
      name: workloadName(service),
      labels: partLabels(service.name, 'server'),
    },
    {
      spec: {
        ...(!isAutoscaled(service) && { replicas: service.scaling.minReplicas }),
        selector: { matchLabels: partLabels(service.name, 'server') },
        ...(isStateful ? statefulSet(service) : rolling),
        template,
      },
    },
  )
}

/** The name of what serves, which the autoscaler points at. */
export function workloadName(service: Service): string {
  return service.volumes.length > 0 ? shortName(service.name, STATEFUL_SET_LENGTH) : service.name
}

const rolling = {
  revisionHistoryLimit: 3,
  progressDeadlineSeconds: 600,
  strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
}

function statefulSet(service: Service): Record<string, unknown> {
  return {
    serviceName: service.name,
    podManagementPolicy: 'Parallel',
    updateStrategy: { type: 'RollingUpdate' },
    volumeClaimTemplates: service.volumes.map((volume) => ({
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: { name: volume.name },
      spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: volume.size } } },
    })),
  }
}

/** A further process of the same image: a Deployment of its own, without ports or volumes. */
export function workerWorkload(worker: Worker, service: Service, env: EnvPlan[], scope: ObjectScope): KubeObject {
  const part = shortName(`worker-${worker.name}`)
  const template = podTemplate({
    service,
    model: scope.model,
    remotes: scope.remotes,
    env,
    part,
    command: worker.command,
    isServer: false,
  })
  return kubeObject(
    scope,
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      name: shortName(`${service.name}-${worker.name}`),
      labels: partLabels(service.name, part),
    },
    { spec: { replicas: worker.replicas, selector: { matchLabels: partLabels(service.name, part) }, ...rolling, template } },
  )
}

export function cronWorkload(cron: CronJob, service: Service, env: EnvPlan[], scope: ObjectScope): KubeObject {
  const part = shortName(`cron-${cron.name}`)
  const template = podTemplate({
    service,
    model: scope.model,
    remotes: scope.remotes,
    env,
    part,
    command: cron.command,
    isServer: false,
    restartPolicy: 'Never',
  })
  return kubeObject(
    scope,
    {
      apiVersion: 'batch/v1',
      kind: 'CronJob',
      name: shortName(`${service.name}-${cron.name}`, CRON_JOB_LENGTH),
      labels: partLabels(service.name, part),
    },
    {
      spec: {
        schedule: cron.schedule,
        timeZone: 'Etc/UTC',
        concurrencyPolicy: 'Forbid',
        startingDeadlineSeconds: 300,
        successfulJobsHistoryLimit: 3,
        failedJobsHistoryLimit: 3,
        jobTemplate: { metadata: { labels: template.metadata.labels }, spec: { backoffLimit: 1, template } },
      },
    },
  )
}

/** Runs to completion before the server is applied; the runtime replaces it when its template has changed, a Job's being fixed. */
export function migrateWorkload(command: string[], service: Service, env: EnvPlan[], scope: ObjectScope): KubeObject {
  const template = podTemplate({
    service,
    model: scope.model,
    remotes: scope.remotes,
    env,
    part: 'migrate',
    command,
    isServer: false,
    restartPolicy: 'Never',
  })
  return kubeObject(
    scope,
    {
      apiVersion: 'batch/v1',
      kind: 'Job',
      name: shortName(`${service.name}-migrate`),
      labels: partLabels(service.name, 'migrate'),
      annotations: { 'shiv.dev/phase': 'migrate' },
    },
    { spec: { backoffLimit: 2, template } },
  )
}

import type { KubeObject } from '../../plan/types.ts'

const WORKLOADS = new Set(['Deployment', 'StatefulSet', 'DaemonSet', 'CronJob'])
/** They act on workloads, so they come with them; an Ingress leads to what must be there. */
const FOLLOWERS = new Set(['HorizontalPodAutoscaler', 'PodDisruptionBudget', 'Ingress'])

/** A release's objects by when they are applied. */
export interface Stages {
  /** Policies, accounts, configuration, Services. */
  foundation: KubeObject[]
  databases: KubeObject[]
  /** Jobs that must succeed before traffic. */
  migrations: KubeObject[]
  workloads: KubeObject[]
}

/** The namespace is none of them: it is made once, before anything. */
export function stagesOf(objects: KubeObject[]): Stages {
  const stages: Stages = { foundation: [], databases: [], migrations: [], workloads: [] }
  for (const object of objects) {
    if (object.kind === 'Namespace') continue
    if (isMigration(object)) stages.migrations.push(object)
    else if (object.metadata.labels?.['shiv.dev/database'] !== undefined) stages.databases.push(object)
    else if (WORKLOADS.has(object.kind) || FOLLOWERS.has(object.kind) || object.kind === 'Job') stages.workloads.push(object)
    else stages.foundation.push(object)
  }
  return stages
}

/** What may be applied again at any time: a migration runs once, forward. */
export function withoutMigrations(objects: KubeObject[]): KubeObject[] {
  return objects.filter((object) => !isMigration(object) && object.kind !== 'Namespace')
}

function isMigration({ kind, metadata }: KubeObject): boolean {
  return kind === 'Job' && metadata.annotations?.['shiv.dev/phase'] === 'migrate'
}

import type { Pod, Workload } from './objects.ts'
import { controllerOf } from './objects.ts'
import type { View } from './observer.ts'

/** The live workload of a kind and name, as last seen. */
export function findWorkload(view: View, kind: string, name: string): Workload | undefined {
  const lists: Record<string, Workload[]> = { Deployment: view.deployments, StatefulSet: view.statefulSets, Job: view.jobs }
  return lists[kind]?.find(({ metadata }) => metadata.name === name)
}

/** Whether what runs is what was last applied, all of it and ready. A Job is when it has succeeded. */
export function isRolledOut(kind: string, workload: Workload): boolean {
  const { spec, status, metadata } = workload
  if (kind === 'Job') return status?.conditions?.some(({ type, status }) => type === 'Complete' && status === 'True') ?? false
  const desired = spec.replicas ?? 1
  if ((status?.observedGeneration ?? 0) < (metadata.generation ?? 0)) return false
  if ((status?.readyReplicas ?? 0) < desired || (status?.replicas ?? 0) > desired) return false
  if (kind === 'StatefulSet' && status?.currentRevision === status?.updateRevision) return true
  return (status?.updatedReplicas ?? 0) >= desired
}

/** Whether the one pod of a Job has done its work: the Job itself says so only seconds later. */
export function hasSucceeded(view: View, kind: string, workload: Workload): boolean {
  if (kind !== 'Job' || (workload.spec.completions ?? 1) !== 1) return false
  return (currentPods(view, kind, workload) ?? []).some(
    ({ spec, status: { phase, containerStatuses = [] } }) =>
      phase === 'Succeeded' ||
      (containerStatuses.length === spec.containers.length &&
        containerStatuses.every(({ state }) => state?.terminated?.exitCode === 0)),
  )
}

/** The pods of a workload's newest revision; undefined while the controller has not made that revision yet. */
export function currentPods(view: View, kind: string, workload: Workload): Pod[] | undefined {
  const { uid, generation } = workload.metadata
  if (kind === 'Job') return view.pods.filter((pod) => controllerOf(pod)?.uid === uid)
  if ((workload.status?.observedGeneration ?? 0) < (generation ?? 0)) return undefined
  if (kind === 'StatefulSet') {
    const revision = workload.status?.updateRevision
    return ownedPods(view, uid).filter(({ metadata }) => metadata.labels?.['controller-revision-hash'] === revision)
  }
  const replicaSet = currentReplicaSet(view, workload)
  return replicaSet && ownedPods(view, replicaSet.metadata.uid)
}

/** The ReplicaSet of a Deployment's newest revision. */
export function currentReplicaSet(view: View, deployment: Workload): Workload | undefined {
  const revision = revisionOf(deployment)
  return view.replicaSets.find((set) => controllerOf(set)?.uid === deployment.metadata.uid && revisionOf(set) === revision)
}

/** Pods of an older revision that cannot become ready: they stand in the way of a StatefulSet's update. */
export function stuckPods(view: View, workload: Workload): Pod[] {
  const revision = workload.status?.updateRevision
  return ownedPods(view, workload.metadata.uid).filter(
    (pod) =>
      pod.metadata.labels?.['controller-revision-hash'] !== revision &&
      pod.metadata.deletionTimestamp === undefined &&
      !pod.status.containerStatuses?.every(({ ready }) => ready),
  )
}

function ownedPods(view: View, uid: string): Pod[] {
  return view.pods.filter((pod) => controllerOf(pod)?.uid === uid)
}

function revisionOf(workload: Workload): string | undefined {
  return workload.metadata.annotations?.['deployment.kubernetes.io/revision']
}

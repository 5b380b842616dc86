import { diagnoseContainers, eventLine } from './diagnose-container.ts'
import { type EventObject, type Live, type Node, type Pod, type Workload, timeOfEvent } from './objects.ts'
import type { View } from './observer.ts'
import type { Problem } from './problem.ts'
import { currentPods, currentReplicaSet } from './rollout.ts'

/** A pod that finds no node gets this long: what is being deleted frees its place. */
const SCHEDULING_GRACE_MS = 3000

/**
 * Why a workload cannot become ready, as far as the view tells; undefined while there is hope. `since` (epoch milliseconds) is when it
 * was last applied: refusals of before do not count.
 */
export function diagnose(view: View, kind: string, workload: Workload, since: number, now: number): Problem | undefined {
  const pods = currentPods(view, kind, workload)
  if (pods === undefined) return undefined
  for (const pod of pods) {
    if (pod.metadata.deletionTimestamp !== undefined) continue
    const events = eventsOf(view, pod.metadata.uid)
    const facts = { pod, events, isJob: kind === 'Job', now }
    const problem = diagnoseVolumes(view, pod, events) ?? diagnosePlacement(view, pod, now) ?? diagnoseContainers(facts)
    if (problem !== undefined) return problem
  }
  return diagnoseCreation(view, kind, workload, since) ?? diagnoseDeadline(workload)
}

function diagnosePlacement(view: View, pod: Pod, now: number): Problem | undefined {
  if (pod.status.phase === 'Failed' && pod.status.reason === 'Evicted') {
    return {
      code: 'POD_EVICTED',
      message: 'the node ran out of a resource and put its pod out',
      hint: 'Free disk or memory on this machine (docker system df shows what takes it), then run shiv start again.',
      evidence: [pod.status.message ?? 'Evicted'],
    }
  }
  const condition = pod.status.conditions?.find(({ type }) => type === 'PodScheduled')
  if (condition?.status !== 'False' || condition.reason !== 'Unschedulable') return undefined
  const message = condition.message ?? ''
  if (/unbound immediate/.test(message) || !canTakePods(view.nodes) || isOutdated(message, view.nodes)) return undefined
  const isLeaving = view.pods.some(({ metadata }) => metadata.deletionTimestamp !== undefined)
  if (isLeaving || now - Date.parse(condition.lastTransitionTime ?? '') < SCHEDULING_GRACE_MS) return undefined
  const lacking = [...new Set([...message.matchAll(/Insufficient ([\w/-]+(?:\.[\w/-]+)*)/g)].map((match) => match[1]))]
  return {
    code: 'POD_UNSCHEDULABLE',
    message: lacking.length > 0 ? `no node has enough ${lacking.join(' and ')} left for it` : 'no node takes its pod',
    hint:
      lacking.length > 0
        ? `Lower resources.${lacking[0]} or scaling.min_replicas in service.yaml, stop another workspace, or give Docker more.`
        : 'A node selector, an affinity or a toleration (from a patch or preset) fits no node of the local cluster: shiv plan shows it.',
    evidence: [message],
  }
}

/** Whether what keeps pods from the nodes is there to stay. */
function canTakePods(nodes: Node[] | undefined): boolean {
  if (nodes === undefined) return true
  // While a cluster is made, its control plane is alone and reserved; kind opens it, or workers join, as its last steps.
  return !nodes.some((node) => hasTaint(node, COMING_UP)) && !nodes.every((node) => hasTaint(node, /\/control-plane$/))
}

/** Of a node that Kubernetes itself keeps pods from, as while it starts. */
const COMING_UP = /\/(not-ready|unreachable|uninitialized|network-unavailable)$/

function hasTaint({ spec }: Node, key: RegExp): boolean {
  return (spec.taints ?? []).some((taint) => key.test(taint.key))
}

/** The scheduler tells of more tainted nodes than there are by now: a node has become ready since, and the pod's next turn is to come. */
function isOutdated(message: string, nodes: Node[] | undefined): boolean {
  if (nodes === undefined) return false
  const told = [...message.matchAll(/(\d+) node\(s\) had untolerated taint/g)].reduce((sum, match) => sum + Number(match[1]), 0)
  const tainted = nodes.filter(({ spec }) => (spec.taints ?? []).some(({ effect }) => effect !== 'PreferNoSchedule'))
  return told > tainted.length
}

function diagnoseVolumes(view: View, pod: Pod, events: EventObject[]): Problem | undefined {
  const claims = (pod.spec.volumes ?? []).flatMap(({ persistentVolumeClaim }) => persistentVolumeClaim?.claimName ?? [])
  for (const name of claims) {
    const claim = view.claims.find(({ metadata }) => metadata.name === name)
    const failed = claim && eventsOf(view, claim.metadata.uid).find(({ reason }) => reason === 'ProvisioningFailed')
    if (failed !== undefined && isPending(claim)) return volumeProblem(`its volume ${name} cannot be made`, failed)
  }
  const isStarting = pod.status.phase === 'Pending'
  const failed = events.find((event) => /^Failed(Mount|AttachVolume|MapVolume)$/.test(event.reason ?? ''))
  const isRepeated = failed !== undefined && ((failed.count ?? 1) > 1 || /not found|no such file/.test(failed.message ?? ''))
  return isStarting && isRepeated ? volumeProblem('a volume cannot be mounted', failed) : undefined
}

function volumeProblem(message: string, event: EventObject): Problem {
  return {
    code: 'POD_VOLUME_FAILED',
    message,
    hint: 'Look at volumes in service.yaml and at what a patch changes of them: shiv plan shows the claim and its storage class.',
    evidence: [eventLine(event)],
  }
}

/** Pods that the API server did not even take: a quota, Pod Security, a limit range. */
function diagnoseCreation(view: View, kind: string, workload: Workload, since: number): Problem | undefined {
  const maker = kind === 'Deployment' ? currentReplicaSet(view, workload) : workload
  const created = eventsOf(view, maker?.metadata.uid ?? '')
    .filter(({ reason }) => reason === 'FailedCreate' || reason === 'SuccessfulCreate')
    .sort((a, b) => timeOfEvent(b) - timeOfEvent(a))
  const refusal = created.find((event) => event.reason === 'FailedCreate' && timeOfEvent(event) >= since)
  const condition = kind === 'Deployment' ? workload.status?.conditions?.find(isReplicaFailure) : undefined
  const message = condition?.message ?? refusal?.message
  if (message === undefined || /serviceaccount .* not found|being terminated/.test(message)) return undefined
  return refusalProblem(message)
}

function isReplicaFailure(condition: { type: string; status: string }): boolean {
  return condition.type === 'ReplicaFailure' && condition.status === 'True'
}

function refusalProblem(message: string): Problem {
  const quota = /exceeded quota: ([\w.-]+), requested: (.+?), used: (.+?), limited: (.+)$/.exec(message)
  if (quota !== null) {
    return {
      code: 'POD_QUOTA_EXCEEDED',
      message: `the namespace's quota ${quota[1]} is used up: it asks for ${quota[2]}, in use is ${quota[3]} of ${quota[4]}`,
      hint: 'Lower resources or scaling.min_replicas in service.yaml, or raise the quota in the platform preset.',
      evidence: [message],
    }
  }
  const security = /violates PodSecurity "([\w.:-]+)": (.+)$/s.exec(message)
  if (security !== null) {
    const fields = [...(security[2] as string).matchAll(/must (?:not )?set ([\w.[\]"/-]+)/g)].map((match) => match[1])
    const which = fields.length > 0 ? ` (${[...new Set(fields)].join(', ')})` : ''
    return {
      code: 'POD_SECURITY_REJECTED',
      message: `Pod Security "${security[1]}" forbids its pod${which}`,
      hint: 'Production forbids it too. Take out the patch or preset setting that asks for it: shiv plan shows the object.',
      evidence: (security[2] as string).split(/(?<=\)), /),
    }
  }
  return {
    code: 'POD_FORBIDDEN',
    message: 'the cluster does not take its pods',
    hint: 'A limit range or an admission rule of the cluster says no; the line above is its reason.',
    evidence: [message],
  }
}

/** The Deployment's own deadline, for whatever nobody foresaw. */
function diagnoseDeadline(workload: Workload): Problem | undefined {
  const condition = workload.status?.conditions?.find(
    ({ reason }) => reason === 'ProgressDeadlineExceeded' || reason === 'BackoffLimitExceeded',
  )
  if (condition === undefined) return undefined
  return {
    code: condition.reason === 'BackoffLimitExceeded' ? 'POD_MIGRATE_FAILED' : 'POD_NOT_READY',
    message: condition.reason === 'BackoffLimitExceeded' ? 'its migration failed' : 'it did not become ready in the time it has',
    hint: 'shiv logs shows what it wrote; shiv status shows its replicas.',
    evidence: [condition.message ?? ''],
  }
}

function isPending(claim: Live | undefined): boolean {
  return (claim?.['status'] as { phase?: string } | undefined)?.phase === 'Pending'
}

function eventsOf(view: View, uid: string): EventObject[] {
  return view.events.filter(({ involvedObject }) => involvedObject.uid === uid)
}

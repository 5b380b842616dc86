import { setTimeout as delay } from 'node:timers/promises'
import { formatDuration } from '../../core/duration.ts'
import { diagnose } from './diagnose.ts'
import { KubeApiError, type KubeClient, orMissing } from './client.ts'
import { knownPath } from './mapping.ts'
import type { Pod } from './objects.ts'
import type { Observer, View } from './observer.ts'
import { type Problem, problemError } from './problem.ts'
import { subjectOf } from './state.ts'
import { currentPods, findWorkload, hasSucceeded, isRolledOut, stuckPods } from './rollout.ts'
import { untilView } from './until-view.ts'

/** A workload that must become ready. */
export interface Target {
  kind: string
  name: string
  /** What the user calls it: the service or database. */
  subject: string
  /** Epoch milliseconds: what went wrong before does not count. */
  since: number
  /** Of the applied object: an older view of it says nothing. */
  generation: number
  uid: string
  /** Epoch milliseconds: no container from before lives any more, whatever the cluster still says of it. */
  startedAfter: number
  /** Subjects that it calls; while one of them is not ready, a crash may settle. */
  dependencies: string[]
}

/** Longer than any start takes; a last resort for what no diagnosis foresaw. */
const DEADLINE_MS = 600_000
/** The view changes by watch; time alone can also decide (a probe that never passes). */
const LOOK_AGAIN_MS = 500
/** How long the names and the network of restarted nodes may take. */
const RESTARTED_NODES_MS = 60_000
const BACKOFF = new Set(['CrashLoopBackOff', 'ImagePullBackOff', 'ErrImageNeverPull'])

/**
 * Waits until every target is rolled out. Throws the POD_* error of the first that cannot be, as soon as that is clear, and the
 * signal's reason when aborted.
 */
export async function awaitReady(
  client: KubeClient,
  observer: Observer,
  targets: Target[],
  options: { signal: AbortSignal; progress(text: string): void; deadlineMs?: number },
): Promise<void> {
  if (targets.length === 0) return
  const { deadlineMs = DEADLINE_MS } = options
  const deadline = Date.now() + deadlineMs
  const readySince = new Map<string, number>()
  const replaced = new Set<string>()
  let release = () => {}
  const verdict = new Promise<{ target: Target; problem: Problem } | undefined>((resolve, reject) => {
    const look = () => {
      if (options.signal.aborted) return reject(options.signal.reason as Error)
      const view = observer.view()
      const waiting = targets.filter((target) => !isReady(view, target))
      noteReady(readySince, targets, waiting)
      if (waiting.length === 0) return resolve(undefined)
      options.progress(progressText(targets, waiting))
      for (const target of waiting) {
        const problem = problemOf(view, target, { targets, readySince, deadline, deadlineMs })
        if (problem !== undefined) return resolve({ target, problem })
        replacePods(client, view, target, replaced).catch(reject)
      }
      return undefined
    }
    const unsubscribe = observer.subscribe(look)
    const timer = setInterval(look, LOOK_AGAIN_MS)
    options.signal.addEventListener('abort', look, { once: true })
    release = () => {
      unsubscribe()
      clearInterval(timer)
      options.signal.removeEventListener('abort', look)
    }
    look()
  })
  const failed = await verdict.finally(() => release())
  if (failed !== undefined) throw await problemError(client, failed.target.subject, failed.problem)
}

/** kube-proxy writes its rules at most once a second, and tells nobody when it has. */
const PROXY_SYNC_MS = 1100

/** Waits until no Service of the namespace leads to a pod that is being deleted, or to an address that its pod had before: what is asked of `subjects` next is answered by what was started. */
export async function awaitRoutes(observer: Observer, subjects: string[], signal: AbortSignal): Promise<void> {
  const isSettled = ({ pods, slices }: View) => {
    const staying = new Map(
      pods
        .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
        .map(({ metadata, status }) => [metadata.name, status.podIPs?.map(({ ip }) => ip) ?? []]),
    )
    const ready = slices.flatMap(({ endpoints }) => endpoints ?? []).filter(({ conditions }) => conditions?.ready)
    return ready.every(({ targetRef, addresses = [] }) => {
      return targetRef === undefined || addresses.every((address) => staying.get(targetRef.name)?.includes(address))
    })
  }
  await untilView(observer, isSettled, signal)
  const isReplacing = observer
    .view()
    .pods.some((pod) => pod.metadata.deletionTimestamp !== undefined && subjects.includes(subjectOf(pod) ?? ''))
  if (isReplacing) await delay(PROXY_SYNC_MS, undefined, { signal })
}

interface Circumstances {
  targets: Target[]
  /** Since when each subject is ready. */
  readySince: Map<string, number>
  deadline: number
  deadlineMs: number
}

function problemOf(view: View, target: Target, given: Circumstances): Problem | undefined {
  const now = Date.now()
  if (now > given.deadline) return overdue(given.deadlineMs)
  const workload = findWorkload(view, target.kind, target.name)
  if (workload === undefined || workload.metadata.uid !== target.uid) return undefined
  if ((workload.metadata.generation ?? 0) < target.generation) return undefined
  const problem = diagnose(view, target.kind, workload, target.since, now)
  if (problem === undefined) return undefined
  const countsFrom = problem.maySettle ? settledSince(target, given) : target.since
  // The cluster's times are whole seconds, rounded down.
  return problem.at === undefined || problem.at >= Math.floor(countsFrom / 1000) * 1000 ? problem : undefined
}

/** From when on a crash is the service's own: when all that it calls, and that is being started with it, is ready. */
function settledSince(target: Target, { targets, readySince }: Circumstances): number {
  const started = target.dependencies.filter((name) => targets.some(({ subject }) => subject === name))
  // After a restart of the nodes their network comes up beside the services: who gave up waiting for it is started again.
  const begun = target.startedAfter > 0 ? target.since + RESTARTED_NODES_MS : target.since
  return Math.max(begun, ...started.map((name) => readySince.get(name) ?? Number.POSITIVE_INFINITY))
}

function overdue(deadlineMs: number): Problem {
  return {
    code: 'POD_NOT_READY',
    message: `it was not ready after ${formatDuration(deadlineMs)}`,
    hint: 'shiv status shows its replicas, shiv logs what they wrote.',
    evidence: [],
  }
}

function isReady(view: View, target: Target): boolean {
  const workload = findWorkload(view, target.kind, target.name)
  if (workload === undefined || workload.metadata.uid !== target.uid) return false
  if ((workload.metadata.generation ?? 0) < target.generation) return false
  if (hasSucceeded(view, target.kind, workload)) return true
  if (!isRolledOut(target.kind, workload)) return false
  return (currentPods(view, target.kind, workload) ?? []).every((pod) => isOfThisLife(pod, target.startedAfter))
}

/** After a restart of the nodes the cluster tells of containers that are no more, and counts them as ready. */
function isOfThisLife({ status }: Pod, startedAfter: number): boolean {
  if (startedAfter === 0) return true
  // The cluster's times are whole seconds, rounded down.
  const earliest = Math.floor(startedAfter / 1000) * 1000
  return (status.containerStatuses ?? []).every(
    ({ ready, state }) => ready && Date.parse(state?.running?.startedAt ?? '') >= earliest,
  )
}

function noteReady(readySince: Map<string, number>, targets: Target[], waiting: Target[]): void {
  for (const { subject } of targets) {
    if (waiting.some((target) => target.subject === subject)) readySince.delete(subject)
    else if (!readySince.has(subject)) readySince.set(subject, Date.now())
  }
}

/**
 * Deletes pods that only time would bring back: those that sit out a back-off from before this start, and broken ones of an old
 * revision that a StatefulSet waits for. Their controller makes new ones at once.
 */
async function replacePods(client: KubeClient, view: View, target: Target, replaced: Set<string>): Promise<void> {
  const workload = findWorkload(view, target.kind, target.name)
  if (workload === undefined || target.kind === 'Job') return
  const idle = (currentPods(view, target.kind, workload) ?? []).filter((pod) => isBackingOff(pod, target.since))
  const stuck = target.kind === 'StatefulSet' ? stuckPods(view, workload) : []
  const pods = [...idle, ...stuck].filter(({ metadata }) => !replaced.has(metadata.uid))
  for (const { metadata } of pods) replaced.add(metadata.uid)
  await Promise.all(
    pods.map(({ metadata }) =>
      orMissing(client.call('DELETE', knownPath('Pod', metadata.namespace, metadata.name))).catch((error: unknown) => {
        // Who may not delete pods waits for the cluster's own patience.
        if (!(error instanceof KubeApiError) || error.status !== 403) throw error
      }),
    ),
  )
}

function isBackingOff(pod: Pod, since: number): boolean {
  if (pod.metadata.deletionTimestamp !== undefined || Date.parse(pod.metadata.creationTimestamp) >= since - 1000) return false
  return [...(pod.status.initContainerStatuses ?? []), ...(pod.status.containerStatuses ?? [])].some(({ state }) =>
    BACKOFF.has(state?.waiting?.reason ?? ''),
  )
}

function progressText(targets: Target[], waiting: Target[]): string {
  const names = [...new Set(waiting.map(({ subject }) => subject))]
  return `${targets.length - waiting.length} of ${targets.length} ready, waiting for ${names.join(', ')}`
}

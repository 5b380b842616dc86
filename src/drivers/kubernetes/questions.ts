import { logFormatOf } from '../log-format.ts'
import { ShivError } from '../../core/errors.ts'
import type { Cluster } from '../../engine/ports.ts'
import type { Plan, RuntimeQuestion } from '../../plan/types.ts'
import { KubeApiError, type KubeClient, isMissing, orMissing } from './client.ts'
import { execInPod } from './exec.ts'
import { knownPath } from './mapping.ts'
import type { Condition, Live, Pod } from './objects.ts'
import type { View } from './observer.ts'
import { containerLog } from './problem.ts'
import { doorsOf, knock } from './reach.ts'
import { replicasOf, stateOf, subjectOf } from './state.ts'

type Reading = { actual: unknown } | undefined

interface Given {
  view: View
  cluster: Cluster
  signal: AbortSignal
}

interface EnvContainer {
  name: string
  env?: { name: string }[]
  envFrom?: { secretRef?: { name: string }; configMapRef?: { name: string } }[]
  securityContext?: { runAsUser?: number }
}

/** Answers one question of the closed list in `RuntimeQuestion`. */
export async function answer(client: KubeClient, plan: Plan, question: RuntimeQuestion, given: Given): Promise<Reading> {
  const [topic, subject = '', detail = ''] = question.split(':')
  const pod = readyPod(given.view, subject)
  switch (topic) {
    case 'kubernetes':
      return { actual: await serverVersion(client) }
    case 'nodes':
      return { actual: await readyNodes(client) }
    case 'metrics-api':
      return { actual: await answersMetrics(client) }
    case 'replicas':
      return (
        isPlanned(plan, subject) && { actual: replicasOf(given.view, subject).filter(({ state }) => state === 'ready').length }
      )
    case 'user':
      return pod && userOf(client, pod, given.signal)
    case 'health': {
      const door = doorsOf(plan, given.view, given.cluster).find((entry) => entry.subject === subject && entry.path !== undefined)
      return door && { actual: (await knock(door)) === undefined }
    }
    case 'env':
      return pod && { actual: [...(await environmentOf(client, pod))] }
    case 'log-format':
      return pod && logFormat(client, pod)
    case 'metrics':
      return pod && metricsOf(client, plan, subject, pod)
    case 'cron':
      return cronOf(plan, given, subject, detail)
    case 'version':
      return pod && versionOf(client, plan, subject, pod, given.signal)
    case 'database':
      return isPlanned(plan, subject) && { actual: pod !== undefined }
    default:
      return undefined
  }
}

/** True, or undefined for a name that the Plan does not have: of that nothing can be said. */
function isPlanned(plan: Plan, subject: string): true | undefined {
  return [...plan.services, ...plan.databases].some(({ name }) => name === subject) || undefined
}

/** The first pod of a subject that is ready and meant to go on. */
export function readyPod(view: View, subject: string): Pod | undefined {
  const ready = new Set(
    replicasOf(view, subject)
      .filter(({ state }) => state === 'ready')
      .map(({ id }) => id),
  )
  const pods = view.pods.filter((pod) => subjectOf(pod) === subject && ready.has(pod.metadata.name))
  return pods.find(({ metadata }) => metadata.labels?.['app.kubernetes.io/component'] === 'server') ?? pods[0]
}

async function serverVersion(client: KubeClient): Promise<string> {
  const { major, minor } = await client.call<{ major: string; minor: string }>('GET', '/version')
  return `${major}.${minor.replace(/\D+$/, '')}`
}

async function readyNodes(client: KubeClient): Promise<number> {
  const list = await client.call<{ items: (Live & { status?: { conditions?: Condition[] } })[] | null }>('GET', knownPath('Node'))
  return (list.items ?? []).filter(({ status }) =>
    status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True'),
  ).length
}

async function answersMetrics(client: KubeClient): Promise<boolean> {
  try {
    await client.call('GET', '/apis/metrics.k8s.io/v1beta1/nodes')
    return true
  } catch (error) {
    if (isMissing(error) || (error instanceof KubeApiError && error.status === 503)) return false
    throw error
  }
}

/** What the kubelet enforces, or where it enforces nothing, what the process says. */
async function userOf(client: KubeClient, pod: Pod, signal: AbortSignal): Promise<Reading> {
  const spec = pod.spec as Pod['spec'] & { securityContext?: { runAsUser?: number } }
  const container = spec.containers[0] as unknown as EnvContainer
  const enforced = container.securityContext?.runAsUser ?? spec.securityContext?.runAsUser
  if (enforced !== undefined) return { actual: enforced }
  const { code, stdout } = await execInPod(client, pod, container.name, ['id', '-u'], signal).catch(asNothing)
  return code === 0 ? { actual: Number(stdout.trim()) } : undefined
}

/** Names only, never values. */
async function environmentOf(client: KubeClient, pod: Pod): Promise<Set<string>> {
  const container = pod.spec.containers[0] as unknown as EnvContainer
  const names = new Set((container.env ?? []).map(({ name }) => name))
  for (const { secretRef, configMapRef } of container.envFrom ?? []) {
    const path = secretRef
      ? knownPath('Secret', pod.metadata.namespace, secretRef.name)
      : knownPath('ConfigMap', pod.metadata.namespace, configMapRef?.name)
    const source = await orMissing(client.call<{ data?: Record<string, string> }>('GET', path))
    for (const name of Object.keys(source?.data ?? {})) names.add(name)
  }
  return names
}

async function logFormat(client: KubeClient, pod: Pod): Promise<Reading> {
  const lines = await containerLog(client, pod, pod.spec.containers[0]?.name ?? '', false)
  const actual = logFormatOf(lines)
  return actual && { actual }
}

/** Asked through the API server: the port is published nowhere. */
async function metricsOf(client: KubeClient, plan: Plan, subject: string, pod: Pod): Promise<Reading> {
  const metrics = plan.services.find(({ name }) => name === subject)?.metrics
  if (metrics === undefined) return undefined
  const path = `${knownPath('Pod', pod.metadata.namespace, pod.metadata.name)}:${metrics.port}/proxy${metrics.path}`
  try {
    const stream = await client.stream(path, AbortSignal.timeout(3000))
    stream.destroy()
    return { actual: true }
  } catch (error) {
    if (error instanceof KubeApiError) return { actual: false }
    if (error instanceof Error && error.name === 'TimeoutError') return undefined
    throw error
  }
}

function cronOf(plan: Plan, given: Given, subject: string, name: string): Reading {
  const component = `cron-${name}`
  const object = given.view.cronJobs.find(
    (job) => subjectOf(job) === subject && job.metadata.labels?.['app.kubernetes.io/component'] === component,
  )
  if (object === undefined || object.spec.suspend === true) return { actual: undefined }
  const state = stateOf(plan, given.view, given.cluster, new Map()).cron.find(
    (job) => job.service === subject && job.name === name,
  )
  return { actual: state?.schedule }
}

/** Every database server prints its version when asked for it on its command line. */
async function versionOf(client: KubeClient, plan: Plan, subject: string, pod: Pod, signal: AbortSignal): Promise<Reading> {
  const binaries = plan.databases.find(({ name }) => name === subject)?.preset.process?.binaries ?? []
  for (const binary of binaries) {
    const { code, stdout } = await execInPod(
      client,
      pod,
      pod.spec.containers[0]?.name ?? '',
      [binary, '--version'],
      signal,
    ).catch(asNothing)
    const version = /\d+(?:\.\d+)+/.exec(stdout)?.[0]
    if (code === 0 && version !== undefined) return { actual: version }
  }
  return undefined
}

/** A program that the image does not have answers nothing; everything else is a failure. */
function asNothing(error: unknown): { code: number; stdout: string } {
  if (error instanceof ShivError && error.code === 'POD_EXEC_FAILED') return { code: 127, stdout: '' }
  throw error
}

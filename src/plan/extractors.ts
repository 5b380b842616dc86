import {
  drainText,
  envContrast,
  envText,
  hostText,
  pairsText,
  podSecurityText,
  policyText,
  portsText,
  probeText,
  sandboxText,
  servicePortsText,
  spreadText,
  targetText,
  updateText,
  userText,
  volumesText,
  wordsText,
} from './fact-text.ts'
import { HELPER_PREFIX } from './kube-env.ts'
import type { EnvVar } from './kube-env.ts'
import type { RuntimeQuestion, ServicePlan } from './types.ts'

/** How a fact is read off an object of one kind. What an object says beyond its extractors is compared as a whole. */
export interface Extractor {
  key: string
  title: string
  /** JSON Pointer into the object. */
  path: string
  /** 3: it decides what survives load, failure or attack; 2: it changes behaviour that a developer may rely on; 1: the rest. */
  weight: number
  text(value: unknown): string
  /** Words for both sides of a difference, where the whole of each would hide it. */
  contrast?(there: unknown, here: unknown): { production: string; local: string }
  /** What stands for it where the runtime has no objects, and how it is asked. */
  process?(service: ServicePlan, part: string): Counterpart | undefined
  /** Brings production's value into the form of that counterpart; as it is when absent. */
  reduce?(value: unknown): unknown
}

export interface Counterpart {
  value: unknown
  question?: RuntimeQuestion
  expect?: unknown
}

const CONTAINER = '/spec/template/spec/containers/0'

function probe(kind: 'startup' | 'liveness' | 'readiness', weight: number): Extractor {
  return { key: `probes.${kind}`, title: `${kind} probe`, path: `${CONTAINER}/${kind}Probe`, weight, text: probeText }
}

const workload: Extractor[] = [
  { key: 'replicas.fixed', title: 'replicas, fixed', path: '/spec/replicas', weight: 2, text: String, process: replicasOf },
  {
    key: 'command',
    title: 'command',
    path: `${CONTAINER}/command`,
    weight: 1,
    text: wordsText,
    process: commandOf,
    reduce: unescaped,
  },
  {
    key: 'env',
    title: 'environment',
    path: `${CONTAINER}/env`,
    weight: 3,
    text: envText,
    contrast: envContrast,
    process: envOf,
    reduce: envNames,
  },
  { key: 'requests', title: 'resource requests', path: `${CONTAINER}/resources/requests`, weight: 2, text: pairsText },
  { key: 'limits', title: 'resource limits', path: `${CONTAINER}/resources/limits`, weight: 2, text: pairsText },
  probe('startup', 1),
  probe('liveness', 2),
  probe('readiness', 2),
  { key: 'ports', title: 'container ports', path: `${CONTAINER}/ports`, weight: 1, text: portsText },
  { key: 'security.user', title: 'user', path: '/spec/template/spec/securityContext', weight: 3, text: userText },
  { key: 'security.container', title: 'container sandbox', path: `${CONTAINER}/securityContext`, weight: 3, text: sandboxText },
  {
    key: 'security.token',
    title: 'cluster token',
    path: '/spec/template/spec/automountServiceAccountToken',
    weight: 1,
    text: (value) => (value === false ? 'not mounted' : 'mounted'),
  },
  { key: 'update', title: 'update', path: '/spec/strategy', weight: 1, text: updateText },
  {
    key: 'stop.grace',
    title: 'time to stop',
    path: '/spec/template/spec/terminationGracePeriodSeconds',
    weight: 1,
    text: (value) => `${String(value)} s`,
    process: (service) => ({ value: service.terminationGraceSeconds }),
  },
  { key: 'stop.drain', title: 'drain before stop', path: `${CONTAINER}/lifecycle`, weight: 1, text: drainText },
  { key: 'spread', title: 'spread', path: '/spec/template/spec/topologySpreadConstraints', weight: 1, text: spreadText },
  { key: 'volumes', title: 'volumes', path: '/spec/volumeClaimTemplates', weight: 2, text: volumesText },
]

/** By kind. A kind that is not here is one fact: is the object there, and is it the same? */
export const EXTRACTORS: Record<string, Extractor[]> = {
  Namespace: [{ key: 'pod-security', title: 'Pod Security', path: '/metadata/labels', weight: 3, text: podSecurityText }],
  ResourceQuota: [{ key: 'quota', title: 'quota', path: '/spec/hard', weight: 1, text: pairsText }],
  NetworkPolicy: [{ key: 'network-policy', title: 'network policy', path: '/spec', weight: 2, text: policyText }],
  ServiceAccount: [
    {
      key: 'service-account',
      title: 'ServiceAccount',
      path: '/automountServiceAccountToken',
      weight: 1,
      text: (value) => (value === false ? 'its own, without a token' : 'its own'),
    },
  ],
  Service: [
    {
      key: 'service.ports',
      title: 'name and ports',
      path: '/spec/ports',
      weight: 2,
      text: servicePortsText,
      process: servicePorts,
      reduce: namesAndPorts,
    },
    { key: 'service.type', title: 'Service type', path: '/spec/type', weight: 1, text: String },
  ],
  Deployment: workload,
  StatefulSet: workload,
  Job: [
    {
      key: 'migrate',
      title: 'migration before traffic',
      path: `${CONTAINER}/command`,
      weight: 2,
      text: wordsText,
      process: (service) => ({ value: service.migrate }),
      reduce: unescaped,
    },
  ],
  CronJob: [{ key: 'schedule', title: 'schedule', path: '/spec/schedule', weight: 2, text: String, process: scheduleOf }],
  HorizontalPodAutoscaler: [
    {
      key: 'autoscaler.min',
      title: 'replicas, at least',
      path: '/spec/minReplicas',
      weight: 2,
      text: String,
      process: replicasOf,
    },
    { key: 'autoscaler.max', title: 'replicas, at most', path: '/spec/maxReplicas', weight: 2, text: String },
    { key: 'autoscaler.target', title: 'autoscaler target', path: '/spec/metrics', weight: 2, text: targetText },
    {
      key: 'autoscaler.scale-down',
      title: 'wait before scaling down',
      path: '/spec/behavior/scaleDown/stabilizationWindowSeconds',
      weight: 1,
      text: (value) => `${String(value)} s`,
    },
  ],
  PodDisruptionBudget: [
    {
      key: 'disruption-budget',
      title: 'disruption budget',
      path: '/spec/maxUnavailable',
      weight: 1,
      text: (value) => `${String(value)} pod at a time`,
    },
  ],
  Ingress: [
    { key: 'tls', title: 'TLS', path: '/spec/tls', weight: 2, text: () => 'a certificate for the host' },
    { key: 'host', title: 'host name', path: '/spec/rules', weight: 1, text: hostText },
  ],
}

function replicasOf(service: ServicePlan, part: string): Counterpart | undefined {
  if (part === 'server') return { value: service.replicas.min }
  const worker = service.workers.find((candidate) => `worker-${candidate.name}` === part)
  return worker && { value: worker.replicas }
}

function commandOf(service: ServicePlan, part: string): Counterpart | undefined {
  const worker = service.workers.find((candidate) => `worker-${candidate.name}` === part)
  return { value: worker ? worker.command : service.command }
}

/** Names only: whether a value comes from a Secret or from the daemon's memory is its own fact. */
function envOf(service: ServicePlan, part: string): Counterpart {
  const names = service.env.map((entry) => entry.name)
  if (part !== 'server') return { value: names }
  return { value: names, question: `env:${service.name}`, expect: { $includes: names } }
}

function scheduleOf(service: ServicePlan, part: string): Counterpart | undefined {
  const cron = service.cron.find((candidate) => `cron-${candidate.name}` === part)
  return cron && { value: cron.schedule, question: `cron:${service.name}:${cron.name}`, expect: cron.schedule }
}

function servicePorts(service: ServicePlan): Counterpart {
  return { value: service.ports.map((port) => ({ name: port.name, port: port.port })) }
}

function unescaped(words: unknown): string[] {
  return (words as string[]).map((word) => word.replaceAll('$$', '$'))
}

function envNames(env: unknown): string[] {
  return (env as EnvVar[]).map((entry) => entry.name).filter((name) => !name.startsWith(HELPER_PREFIX))
}

function namesAndPorts(ports: unknown): object[] {
  return (ports as { name: string; port: number }[]).map(({ name, port }) => ({ name, port }))
}

import type { KubeObject } from '../../plan/types.ts'

/** The parts of live objects that this driver reads. Everything is optional where the API server may leave it out. */
export interface Live extends KubeObject {
  metadata: KubeObject['metadata'] & {
    uid: string
    resourceVersion: string
    generation?: number
    creationTimestamp: string
    deletionTimestamp?: string
    ownerReferences?: { kind: string; name: string; uid: string; controller?: boolean }[]
    managedFields?: { manager: string; operation: string }[]
  }
}

export interface Pod extends Live {
  spec: {
    nodeName?: string
    containers: Container[]
    initContainers?: Container[]
    volumes?: { name: string; persistentVolumeClaim?: { claimName: string } }[]
  }
  status: {
    phase?: string
    reason?: string
    message?: string
    podIP?: string
    podIPs?: { ip: string }[]
    startTime?: string
    conditions?: Condition[]
    containerStatuses?: ContainerStatus[]
    initContainerStatuses?: ContainerStatus[]
  }
}

export interface Container {
  name: string
  image: string
  command?: string[]
  restartPolicy?: string
  readinessProbe?: ProbeSpec
  livenessProbe?: ProbeSpec
  startupProbe?: ProbeSpec
}

export interface ProbeSpec {
  httpGet?: { path?: string; port: number | string }
  exec?: { command?: string[] }
  tcpSocket?: { port: number | string }
  grpc?: { port: number }
  initialDelaySeconds?: number
  periodSeconds?: number
  timeoutSeconds?: number
  failureThreshold?: number
}

export interface ContainerStatus {
  name: string
  ready: boolean
  started?: boolean
  restartCount: number
  image?: string
  state?: ContainerState
  lastState?: ContainerState
}

export interface ContainerState {
  waiting?: { reason?: string; message?: string }
  running?: { startedAt?: string }
  terminated?: { exitCode: number; signal?: number; reason?: string; message?: string; startedAt?: string; finishedAt?: string }
}

export interface Condition {
  type: string
  status: string
  reason?: string
  message?: string
  lastTransitionTime?: string
}

export interface Workload extends Live {
  spec: {
    replicas?: number
    suspend?: boolean
    completions?: number
    backoffLimit?: number
    schedule?: string
    selector?: { matchLabels?: Record<string, string> }
    template?: { metadata?: { labels?: Record<string, string> }; spec: { containers: Container[]; initContainers?: Container[] } }
  }
  status?: {
    observedGeneration?: number
    replicas?: number
    readyReplicas?: number
    updatedReplicas?: number
    availableReplicas?: number
    updateRevision?: string
    currentRevision?: string
    conditions?: Condition[]
    succeeded?: number
    failed?: number
    lastScheduleTime?: string
    lastSuccessfulTime?: string
  }
}

export interface ServiceObject extends Live {
  spec: {
    type?: string
    clusterIP?: string
    selector?: Record<string, string>
    ports?: { name?: string; port: number; nodePort?: number }[]
  }
}

export interface EventObject extends Live {
  reason?: string
  message?: string
  type?: string
  count?: number
  lastTimestamp?: string
  eventTime?: string
  involvedObject: { kind: string; name: string; uid?: string }
}

export interface Node extends Live {
  spec: { taints?: { key: string; effect: string }[] }
  status?: { conditions?: Condition[] }
}

export interface EndpointSlice extends Live {
  endpoints?: { addresses?: string[]; conditions?: { ready?: boolean }; targetRef?: { name: string } }[]
}

export interface SecretObject extends Live {
  data?: Record<string, string>
}

export const LABEL = {
  run: 'shiv.dev/run',
  database: 'shiv.dev/database',
  phase: 'shiv.dev/phase',
  service: 'app.kubernetes.io/name',
  managedBy: 'app.kubernetes.io/managed-by',
} as const

/** The name in `metadata.managedFields` of everything that we apply. */
export const FIELD_MANAGER = 'shiv'

/** When an event last happened, epoch milliseconds. */
export function timeOfEvent(event: EventObject): number {
  return Date.parse(event.lastTimestamp ?? event.eventTime ?? event.metadata.creationTimestamp)
}

/** The controller that owns an object. */
export function controllerOf(object: Live): { kind: string; name: string; uid: string } | undefined {
  return object.metadata.ownerReferences?.find((owner) => owner.controller)
}

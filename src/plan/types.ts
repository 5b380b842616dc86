import type { ReloadPolicy } from '../spec/reload-policy.ts'
import type { RemoteEnvironment, RemotePlan } from './remote.ts'
import type {
  DatabaseField,
  DatabasePreset,
  EnvSource,
  Health,
  LanguagePreset,
  Position,
  Rollout,
  TemplatePart,
} from '../spec/model.ts'

export type RuntimeName = 'kind' | 'process' | 'context'

/**
 * Inert desired state. `buildPlan` makes production's Plan; `localise` turns it into a local one and records each
 * substitution. JSON-serialisable; holds no secret, only references.
 */
export interface Plan {
  version: 1
  workspace: { name: string; root: string }
  environment: string
  /** `production` objects are those `deploy` sends; the rest were localised for that runtime. */
  runtime: RuntimeName | 'production'
  namespace: string
  /** How `deploy` replaces what runs. */
  rollout: Rollout
  cluster: { name: string; kubernetes: string; workers: number }
  images: ImagePlan[]
  databases: DatabasePlan[]
  services: ServicePlan[]
  /** Dependencies outside of the workspace, each once. In a local Plan they lead to the daemon's proxy. */
  remotes: RemotePlan[]
  /** Those that `remotes` are in. */
  remoteEnvironments: RemoteEnvironment[]
  /**
   * In apply order: namespace, quota, policy, accounts, config, services, databases, migrations, workloads, autoscalers.
   * Never a Secret: those are `secrets`, made by the runtime before the first workload. A Job with the annotation
   * `shiv.dev/phase: migrate` runs to completion before the workload of its service (`app.kubernetes.io/name`) is applied.
   */
  objects: KubeObject[]
  secrets: SecretPlan[]
  substitutions: Substitution[]
  /** What production has and this runtime does without. Absent in a production Plan. */
  absences?: Absence[]
  alerts: { service: string; receiver: string }[]
  patches: { service: string; why: string; target: string; path: string }[]
}

export interface KubeObject {
  apiVersion: string
  kind: string
  metadata: {
    name: string
    namespace?: string
    labels?: Record<string, string>
    annotations?: Record<string, string>
    [key: string]: unknown
  }
  [key: string]: unknown
}

export interface ImagePlan {
  /** Of the service that it is built for. */
  service: string
  /** Repository without tag: the builder adds the content hash, `shiv.local/WORKSPACE/SERVICE`. Objects name it as `IMAGE_PLACEHOLDER + service`. */
  repository: string
  source:
    | {
        kind: 'build'
        context: string
        dockerfile: { text: string } | { path: string }
        target?: string
        args: Record<string, string>
        ignore: string[]
      }
    | { kind: 'reference'; image: string }
}

/** Objects name a service's image by this until the builder knows the content hash. */
export const IMAGE_PLACEHOLDER = 'shiv-image:'

export interface DatabasePlan {
  name: string
  type: string
  version: string
  storage: string
  image: string
  preset: DatabasePreset
  /** The Secret with the keys url host port user password name. */
  secret: string
  /** Services that use it. */
  users: string[]
}

/** A Secret whose values are made or fetched at start, never part of the Plan. */
export interface SecretPlan {
  name: string
  /**
   * `credentials`: made once for a database. `dependency`: what the proxy of a dependency asks of services, never the other environment's own.
   * `external`: the developer's own values, by key.
   */
  source: { kind: 'credentials'; database: string } | { kind: 'dependency'; dependency: string } | { kind: 'external' }
  keys: SecretKey[]
}

export interface SecretKey {
  key: string
  /** Environment variable that carries it on the developer's machine. */
  variable: string
  /** `service.env.NAME` entries that want it. */
  wantedBy: string[]
  prompt?: string
  position?: Position
}

export interface ServicePlan {
  name: string
  kind: 'service' | 'worker'
  root: string
  language: LanguagePreset
  /** How to run it outside a container, templates still inside. */
  command: string[] | undefined
  ports: { name: string; port: number; protocol: 'http' | 'grpc' | 'tcp' }[]
  health: Health | undefined
  /** Where it answers for everybody, without a path; absent where the environment has neither a domain nor an address. */
  publicUrl?: string
  env: EnvPlan[]
  replicas: { min: number; max: number; cpuTarget?: number }
  databases: string[]
  /** Services of the workspace that start before it. */
  dependencies: string[]
  /** Names of `Plan.remotes`. */
  remotes: string[]
  migrate: string[] | undefined
  workers: { name: string; command: string[]; replicas: number }[]
  cron: { name: string; schedule: string; command: string[] }[]
  volumes: { name: string; path: string; size: string }[]
  metrics: { port: number; path: string } | undefined
  logging: 'structured' | 'plain'
  terminationGraceSeconds: number
  /** Absent in production, and where it was asked to be off. */
  reload?: ReloadPolicy
}

export interface EnvPlan {
  name: string
  source: EnvSource
  /** Why it is there when the user did not write it: `preset node`, `database user-db`, `platform`. */
  from?: string
}

export interface Substitution {
  /** Stable: `image`, `database.user-db`, `host`, … */
  id: string
  what: string
  production: string
  local: string
  why: string
  /** What of the objects it changed: `Kind/name/json/pointer`, a whole object without a pointer. */
  touches?: string[]
}

/** Something of production that a runtime has no counterpart for. */
export interface Absence {
  /** Stable, as in `Substitution`. */
  id: string
  what: string
  production: string
  why: string
  touches?: string[]
}

/** One fact of production and what local does about it. */
export interface Fact {
  /** Stable and dotted: `service.user-service.probes.liveness`. */
  id: string
  subject: string
  title: string
  production: string
  local: string | undefined
  verdict: 'same' | 'substituted' | 'absent'
  why?: string
  weight: number
  /** Where the live value is read; absent when it cannot be. */
  reading?: ReadingTarget
}

/**
 * Where a live value is read. `path` is a JSON Pointer into the object (empty: the whole of it). A driver answers `{ actual }`, with
 * `actual` undefined when the world was asked and has no such object or member, and `undefined` only when it could not be asked.
 * `expect` is a value that the live one must contain; inside it `{ $atLeast, $atMost }`, `{ $startsWith }`, `{ $includes }` and
 * `{ $version }` stand for a condition.
 */
export type ReadingTarget =
  | { kind: 'object'; apiVersion: string; object: string; name: string; namespace?: string; path: string; expect: unknown }
  | { kind: 'runtime'; question: RuntimeQuestion; expect: unknown }

/**
 * What a runtime is asked beyond objects. The list is closed; a runtime that cannot tell answers `undefined`.
 *
 * - `kubernetes`: the server's minor version, `1.34` (string)
 * - `nodes`: how many nodes are ready (number)
 * - `metrics-api`: whether metrics.k8s.io answers, without which no HPA scales (boolean)
 * - `replicas:SERVICE`: how many replicas are ready (number)
 * - `user:SERVICE`: the uid that its processes run as (number)
 * - `health:SERVICE`: whether its health path answers (boolean)
 * - `env:SERVICE`: the names of all variables that its processes have (string[], never a value)
 * - `log-format:SERVICE`: `structured` or `plain`, judged from the lines it wrote (string)
 * - `metrics:SERVICE`: whether its metrics endpoint answers (boolean)
 * - `cron:SERVICE:NAME`: the schedule that is armed (string)
 * - `version:DATABASE`: what the server says it is, `15.8` (string)
 * - `database:DATABASE`: whether it answers its health check (boolean)
 */
export type RuntimeQuestion =
  | 'kubernetes'
  | 'nodes'
  | 'metrics-api'
  | `replicas:${string}`
  | `user:${string}`
  | `health:${string}`
  | `env:${string}`
  | `log-format:${string}`
  | `metrics:${string}`
  | `cron:${string}:${string}`
  | `version:${string}`
  | `database:${string}`

/** A fact after reality was asked. */
export interface VerifiedFact extends Fact {
  live?: { verdict: 'confirmed' | 'drifted' | 'unreadable'; actual?: unknown }
}

export interface ParityReport {
  version: 1
  facts: VerifiedFact[]
  /** 0 to 100: 100 × Σ weight·value / Σ weight, value 1 same, ½ substituted, 0 absent or drifted. */
  score: number
  verified: boolean
}

export type { DatabaseField, Rollout, TemplatePart }

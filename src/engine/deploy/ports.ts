import type { KubeObject, Plan } from '../../plan/types.ts'
import type { ImageBuilder, LogLine, LogQuery, Step } from '../ports.ts'
import type { HealthProof, Release, Source } from './release.ts'

/** What deploying needs of the world beside the Plan. */
export interface DeployDrivers {
  images: ImageBuilder
  registry: Registry
  source: SourceReader
  /**
   * Connects to the environment's cluster by its context, never the current one. Throws DEPENDENCY_CONTEXT_UNKNOWN, KUBE_CONFIG_INVALID, KUBE_UNREACHABLE.
   */
  open(target: ClusterTarget, caller: DeployCaller): Promise<ReleaseCluster>
  /** The API server of a context; undefined where the kubeconfig does not have it. */
  serverOf(context: string, caller: DeployCaller): Promise<string | undefined>
}

export interface DeployCaller {
  environment: NodeJS.ProcessEnv
  /** Absolute. */
  folder: string
  signal: AbortSignal
}

export interface ClusterTarget {
  context: string
  namespace: string
  workspace: string
  service: string
  environment: string
}

/** The registry that images are sent to, with the user's own docker credentials. */
export interface Registry {
  /** Digest of what a reference names there; undefined where it is not. Throws REGISTRY_UNREACHABLE, REGISTRY_SLOW, REGISTRY_DENIED, REGISTRY_FAILED. */
  digest(reference: string, caller: DeployCaller): Promise<string | undefined>
  /** Sends an image of this machine under another name; gives its digest. Throws as `digest`, and REGISTRY_FULL, DOCKER_DISK_FULL. */
  push(local: string, reference: string, caller: DeployCaller, progress: (text: string) => void): Promise<string>
}

export interface SourceReader {
  /** The commit of a folder and its state; `last` is that of the release before. Never throws: what cannot be known is told in `unknown`. */
  read(folder: string, last: string | undefined, environment: NodeJS.ProcessEnv): Promise<{ source?: Source; unknown: string[] }>
}

/** How one object would change. Values of secrets are never in it. */
export interface ObjectChange {
  /** `Kind/name`. */
  name: string
  action: 'add' | 'change' | 'replace' | 'remove'
  /** Of `change` and `replace`: JSON Pointers, in which lists of named things have their names as steps. */
  fields: { path: string; from?: unknown; to?: unknown }[]
}

export interface Comparison {
  changes: ObjectChange[]
  /** `server`: by the API server's own dry run. `estimate`: it may not be asked, so defaults may show as changes. */
  by: 'server' | 'estimate'
}

/** What must be there before anything is applied. */
export interface Readiness {
  namespace: 'ours' | 'theirs' | 'missing'
  /** Environment that the namespace was deployed to as, where it was. */
  deployedAs: string | undefined
  missing: { secret: string; keys: string[]; isThere: boolean }[]
  /** Secrets that may not be looked at. */
  unseen: string[]
  /** Secrets by the version of their values. */
  versions: { name: string; resourceVersion: string }[]
}

export interface ReleaseLock {
  /** Aborted when the lock is lost: nothing more may be done. */
  readonly signal: AbortSignal
  release(): Promise<void>
}

export interface RolloutOptions {
  timeoutMs: number
  signal: AbortSignal
  step: Step
}

export interface PodState {
  name: string
  state: string
  restarts: number
  image: string
  since: number
  cause?: string
}

/** One service in one namespace of a cluster, for as long as one command lasts. */
export interface ReleaseCluster {
  /** Host of the API server. */
  readonly server: string
  /** Opens what watching a rollout needs, beside other work. */
  expectRollout(): void
  /** Oldest first. */
  history(): Promise<Release[]>
  /** What a revision applied; undefined where it is not kept any more. */
  objectsOf(revision: number): Promise<KubeObject[] | undefined>
  /** Adds a release or writes it anew; with `objects`, what it applies. `keep` names revisions whose objects must stay. */
  remember(release: Release, options: { objects?: KubeObject[]; keep: number[] }): Promise<void>
  readiness(plan: Plan): Promise<Readiness>
  /** What applying would change, by a dry run. Throws DEPLOY_CONFLICT, DEPLOY_IMMUTABLE, KUBE_OBJECT_FOREIGN, KUBE_APPLY_REFUSED. */
  compare(objects: KubeObject[], options: { takesOver: boolean }): Promise<Comparison>
  ensureNamespace(objects: KubeObject[]): Promise<void>
  /** Waits for another deploy, or takes over from one that died. Throws DEPLOY_LOCKED without `waits`. */
  lock(holder: string, options: { waits: boolean; signal: AbortSignal; onWaiting(holder: string): void }): Promise<ReleaseLock>
  /** Who deploys now. */
  lockHolder(): Promise<string | undefined>
  /** Makes the credentials of databases that the environment has in the cluster; what is there stays. */
  ensureCredentials(plan: Plan): Promise<void>
  apply(objects: KubeObject[], options: { takesOver: boolean; signal: AbortSignal }): Promise<void>
  /** Waits until what was applied of these is rolled out. Throws the POD_* error of what cannot be. */
  awaitRollout(objects: KubeObject[], options: RolloutOptions): Promise<void>
  /** Removes the service's objects that are not among these; databases and volumes stay. Returns names. */
  prune(objects: KubeObject[], signal: AbortSignal): Promise<string[]>
  /** Proves that the service answers; calls `answered` at the first answer. Throws DEPLOY_UNHEALTHY, DEPLOY_HEALTH_FLAPS. */
  proveHealth(
    plan: Plan,
    options: { steadyMs: number; patienceMs: number; signal: AbortSignal; answered(): void },
  ): Promise<HealthProof>
  /** Whether these were rolled out when they were last compared or applied. */
  isRolledOut(objects: KubeObject[]): boolean
  pods(): Promise<PodState[]>
  logs(query: LogQuery, signal: AbortSignal): AsyncIterable<LogLine>
  close(): void
}

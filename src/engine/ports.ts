import type { KubeObject, Plan, ReadingTarget, RuntimeName } from '../plan/types.ts'
import type { DependencyAddress, PodPlace } from './dependency-ports.ts'
import type { Loop } from './reload/loop.ts'
import type { Holding, ReloadOrder, ReloadOutcome, Verification } from './reload-ports.ts'

export type * from './reload-ports.ts'

/** What a driver needs from whoever runs it. */
export interface RunContext {
  runId: string
  /** The run's own folder (0700): logs, data, credentials of the embedded runtime. */
  runDir: string
  signal: AbortSignal
  /** Values of the developer's own secrets by variable name; in memory only. */
  secretValue(variable: string): string | undefined
  /** Lets pods in to the dependencies of the run, and tells where each of them is for those. */
  openToPods?(place: PodPlace): Promise<Map<string, DependencyAddress>>
  /** Environment of the CLI that asked, for PATH and the like. */
  environment: NodeJS.ProcessEnv
  /** Runs `work` as a timed step that the user sees; nested calls nest. */
  step<T>(name: string, work: (step: Step) => Promise<T>): Promise<T>
  emit(event: RunEvent): void
}

export interface Step {
  /** Replaces the short text behind the step's name, for example `layer 3 of 7`. */
  progress(text: string): void
  /** Ends the step's line with a remark, for example `cached`. */
  note(text: string): void
}

export type RunEvent =
  | { kind: 'log'; line: LogLine }
  | { kind: 'health'; service: string; replica: string; state: ReplicaState; cause?: string }
  /** `port` is the port's name; absent means the service's first. */
  | { kind: 'endpoints'; service: string; endpoints: Endpoint[]; port?: string }
  | { kind: 'warning'; code: string; message: string; hint?: string }
  /** A save was answered, or could not be. */
  | { kind: 'loop'; loop: Loop }
  /** The service's own tests ran beside a loop. `lines` are the last of a run that failed. */
  | { kind: 'tests'; service: string; passed: boolean; durationMs: number; lines: string[] }

export type ReplicaState = 'starting' | 'ready' | 'unready' | 'crashed' | 'stopped'

export interface LogLine {
  /** Epoch milliseconds. */
  time: number
  /** Service, database or `shiv`. */
  source: string
  replica: string
  stream: 'stdout' | 'stderr'
  text: string
  /** Present when the line was a JSON object. */
  fields?: Record<string, unknown>
}

/** A TCP address that leads to one ready replica or, in a cluster, to the Service. */
export interface Endpoint {
  host: string
  port: number
}

/** What a runtime can do on this machine now. */
export type Probe = { available: true; detail: string } | { available: false; code: string; reason: string; hint: string }

export interface ServiceState {
  name: string
  kind: 'service' | 'worker'
  replicas: { id: string; state: ReplicaState; restarts: number; cause?: string; since: number; pid?: number; image?: string }[]
  desired: number
  /** Where the proxy sends requests, by port name. */
  endpoints: Record<string, Endpoint[]>
  debug?: { protocol: string; host: string; port: number }
}

export interface DatabaseState {
  name: string
  type: string
  version: string
  state: ReplicaState
  /** From the host; the URL carries its password, so it is shown only when asked for. */
  url: string
  host: string
  port: number
  cause?: string
}

export interface LiveState {
  services: ServiceState[]
  databases: DatabaseState[]
  cron: { service: string; name: string; schedule: string; lastRun?: number; lastResult?: 'succeeded' | 'failed' }[]
}

export interface LogQuery {
  /** Sources; empty means all. */
  sources: string[]
  follow: boolean
  /** Last N lines per source; undefined means all. */
  tail?: number
  /** Epoch milliseconds. */
  since?: number
}

/**
 * Where a Plan is made real. One contract suite runs over each implementation: `test/contract/runtime.ts`.
 * All methods may be called again after a daemon died; state is found in the world, not in memory.
 */
export interface Runtime {
  readonly name: RuntimeName
  /** Whether this machine can do it for a caller with this environment (PATH, DOCKER_HOST), and if not what to do. Never throws; at most 5 s. */
  probe(environment?: NodeJS.ProcessEnv): Promise<Probe>
  /** The world becomes the Plan; idempotent, a diff, safe to interrupt through `context.signal`. Returns when everything answers; throws ShivError with the cause when something cannot. */
  reconcile(plan: Plan, context: RunContext): Promise<LiveState>
  /** Takes over what an earlier daemon left: resumes watching, restarting crashed processes, publishing endpoints. Undefined when nothing of the run lives. */
  adopt(plan: Plan, context: RunContext): Promise<LiveState | undefined>
  /** What is there now, read from the world. */
  read(plan: Plan, context: RunContext): Promise<LiveState>
  /** Live values for parity; the result aligns with `targets`, `undefined` where unreadable. */
  readings(plan: Plan, targets: ReadingTarget[], context: RunContext): Promise<({ actual: unknown } | undefined)[]>
  logs(plan: Plan, query: LogQuery, context: RunContext): AsyncIterable<LogLine>
  exec(
    plan: Plan,
    service: string,
    argv: string[],
    context: RunContext,
  ): Promise<{ code: number; stdout: string; stderr: string }>
  restart(plan: Plan, service: string, context: RunContext): Promise<void>
  /** Builds what services are started from, without starting anything: images, or what the preparation of the working copy makes. Absent where a runtime has nothing to build. */
  build?(plan: Plan, wish: BuildWish, context: RunContext): Promise<BuiltImage[]>
  /** Removes what the run made; data stays unless `purge`. Idempotent. */
  remove(plan: Plan, options: { purge: boolean }, context: RunContext): Promise<void>
  /** Lets go of watchers and streams of a run; what runs goes on running. */
  release(runId: string): Promise<void>
  /** Absent where a runtime cannot reload. */
  readonly reload?: ReloadPort
}

/** Hot reload of a runtime. One contract suite runs over each implementation: `test/contract/reload.ts`. */
export interface ReloadPort {
  /**
   * Where the working copy itself runs: does what its preset's preparation says is due, before `apply`, and then no overlay is needed. Throws the
   * preparation's own error. `changed`: the only files, relative to the service's folder, that did since it last went well; absent where that is not known.
   * Absent where files are copied into replicas.
   */
  prepare?(plan: Plan, service: string, context: RunContext, changed?: ReadonlySet<string>): Promise<void>
  /**
   * Makes every replica hold the overlay and run it. Idempotent and declarative: a replica that comes later gets the newest order by itself,
   * for as long as the run is not released. Resolves when each has become ready or has failed; throws only when aborted.
   */
  apply(plan: Plan, order: ReloadOrder, context: RunContext): Promise<ReloadOutcome>
  /** What replicas hold now. */
  holdings(plan: Plan, service: string, context: RunContext): Promise<Holding[]>
  /**
   * Everything below a folder of one replica's container, by absolute path: what its image has there, but for what orders brought. Undefined
   * when none can be asked. Absent where nothing is copied.
   */
  contents?(plan: Plan, service: string, folder: string, context: RunContext): Promise<ReadonlyMap<string, HeldFile> | undefined>
  /** Reads files in every replica and compares them with `expected`, hashes by absolute path in the container (empty: must not be there). */
  verify(plan: Plan, service: string, expected: ReadonlyMap<string, string>, context: RunContext): Promise<Verification[]>
}

export interface BuildWish {
  /** As if nothing had been built before: no cache is used. */
  fresh: boolean
  /** Builds nothing: the images of the workspace that nothing uses are removed. */
  discard: boolean
}

/** An image, and how it came to be. */
export interface BuiltImage {
  service: string
  reference: string
  /** It was there already. */
  cached: boolean
  /** Of the build, in the order in which they began; empty where none was needed. */
  steps: BuiltStep[]
  /** What the build context holds, ignored files left out; its largest entries first. */
  context?: { bytes: number; largest: { path: string; bytes: number }[] }
}

/** A step of an image build, as the Dockerfile has it. Times as the builder tells them, to a tenth of a second. */
export interface BuiltStep {
  name: string
  /** From the beginning of the build. */
  startMs: number
  ms: number
  isCached: boolean
}

/** A file of a container. */
export interface HeldFile {
  /** sha-256 in hex; empty where it cannot be read. */
  hash: string
  mode: number
  /** Of a symbolic link: where it leads, as written. */
  link?: string
}

/** Content-addressed images, and their way into a cluster's nodes. */
export interface ImageBuilder {
  /** Returns the reference with its content tag; builds only when no image of that tag exists. Throws DOCKER_BUILD_FAILED with the failing step's last lines. */
  ensure(
    image: Plan['images'][number],
    options: {
      signal: AbortSignal
      environment: NodeJS.ProcessEnv
      progress(text: string): void
      /** Builds even what is there, without any cache. */
      fresh?: boolean
    },
  ): Promise<Pick<BuiltImage, 'reference' | 'cached' | 'context'> & { steps?: BuiltStep[] }>
  /** The reference that `ensure` would give now, and whether the host has it; builds nothing. */
  name(
    image: Plan['images'][number],
    options: { signal: AbortSignal; environment: NodeJS.ProcessEnv },
  ): Promise<{ reference: string; isBuilt: boolean }>
  /** Removes older images of ours from the host: of these repositories, or of this workspace with those that have lost their name, all but `keep` and the `spare` newest. Returns what went. */
  collectImages?(options: { repositories?: string[]; workspace?: string; keep: string[]; spare?: number }): Promise<string[]>
}

/** A local cluster and the way into it. */
export interface Cluster {
  kubeconfig: string
  context: string
  /** Addresses that the host can reach; empty where only mapped ports lead in. */
  nodes: { name: string; address: string | undefined }[]
  /** The host address for a NodePort. */
  reach(nodePort: number): Endpoint
  /** NodePorts that are mapped to the host; undefined when any is reachable. */
  nodePorts: { from: number; to: number } | undefined
  /** Epoch milliseconds: its nodes were stopped until then, so what the cluster says of containers from before is of the past. */
  restartedAt?: number
}

export interface ClusterDriver {
  /** Creates, starts or reuses the cluster of the spec. Calls `reachable` as soon as the API server answers, before the nodes are ready. */
  ensure(
    spec: Plan['cluster'],
    options: {
      signal: AbortSignal
      environment: NodeJS.ProcessEnv
      step: RunContext['step']
      /** Asked when a new cluster's nodes can take images, long before its API server answers: what of the host will be wanted. */
      earlyImages?(): Promise<string[]>
    },
  ): Promise<Cluster>
  /** The cluster if it runs, without changing anything. */
  find(spec: Plan['cluster']): Promise<Cluster | undefined>
  /** Brings images of the host to every node that lacks them; only the layers that are missing travel. */
  deliver(
    cluster: Cluster,
    references: string[],
    options: { signal: AbortSignal; progress(text: string): void },
  ): Promise<{ sentBytes: number; skipped: string[] }>
  /** Removes images of ours from every node, by name. */
  dropImages?(cluster: Cluster, names: string[]): Promise<void>
  /** Whether the cluster is there but its nodes do not run. */
  isStopped?(spec: Plan['cluster']): Promise<boolean>
  remove(spec: Plan['cluster']): Promise<void>
  /** Where pods reach this machine. Throws DEPENDENCY_POD_ADDRESS where there is no such place. */
  podPlace?(spec: Plan['cluster']): Promise<PodPlace>
  /** A PersistentVolume that is ready for a claim of the default class, in a cluster that has no such class yet; undefined where only that class makes volumes. */
  makeVolume?(cluster: Cluster, claim: KubeObject): Promise<KubeObject | undefined>
  /** Ends when a creation that `ensure` returned from early is complete; throws what made it fail. */
  settled?(spec: Plan['cluster']): Promise<void>
}

/** A port that somebody else holds, so that another is used in its place. */
export interface PortMove {
  /** `shared`, or the host of the route. */
  key: string
  from: number
  to: number
  by: { pid: number; command: string } | undefined
}

/** The daemon's front door: `http://SERVICE.localhost:PORT` and one fixed port a service. */
export interface FrontDoor {
  /** The shared port. */
  readonly port: number
  /**
   * Points a service at its endpoints; an empty list means known but not ready: requests are held for a bounded time. `host` is unique,
   * `orders.shop` for service orders of workspace shop: it answers at `orders.shop.localhost` and, for the first of that name, at `orders.localhost`.
   * Other protocols than http are forwarded as bytes, on the service's own port only. Returns that port, the one it had before if it is free, and the short URL; `moved` names ports that were found taken since the last call.
   */
  route(route: {
    host: string
    workspace: string
    service: string
    endpoints: Endpoint[]
    protocol?: 'http' | 'grpc' | 'tcp'
    /** Its pages get a script that reloads them when another version is announced; what it asks for is below `/.shiv/`. */
    browser?: boolean
  }): Promise<{ port: number; url: string; moved?: PortMove[] }>
  remove(host: string): Promise<void>
  /**
   * Keeps new requests for a host, from the call on, whatever its endpoints meanwhile (bounded, as when it has no endpoint; bodies are not
   * read), and waits until those in flight have been answered, at most `drainMs`; then no idle connection to its endpoints is kept, so that
   * no later request meets a dead one. Event streams and upgraded or TCP connections are not waited for once they have begun: they end with
   * the process. The returned function lets requests go on, in the order they came. Holds nest; an unknown host is no failure.
   */
  hold?(host: string, drainMs: number): Promise<() => void>
  /** Waits until the requests at endpoints that left the route have been answered, at most `drainMs`; new requests go on meanwhile. */
  drain?(host: string, drainMs: number): Promise<void>
  /** Another version of a service serves: its pages reload, where that is on. */
  announce?(host: string, sequence: number): void
  close(): Promise<void>
}

export type { KubeObject }

import type { ErrorShape, Fault } from '../core/errors.ts'
import type { Verdict } from '../plan/reload-rules.ts'
import type { ParityReport, Plan, RuntimeName } from '../plan/types.ts'
import type { BuiltImage, DatabaseState, Holding, RunEvent, ServiceState, Verification } from './ports.ts'
import type { Access, Faults, RemoteMode, RemoteProtocol } from '../plan/remote.ts'
import type { DependencyEvent, DependencyHealth } from './dependency-ports.ts'
import type { Loop } from './reload/loop.ts'

/** Which run: the workspace that holds `path`, and optionally services of it. */
export interface Target {
  /** Absolute: where the CLI stands, or the path that was named. */
  path: string
  services: string[]
}

export interface StartParams extends Target {
  env: string
  runtime?: RuntimeName
  /** `false`: without debug endpoints. */
  debug?: boolean
  /** `false`: a save changes nothing. */
  reload?: boolean
  /** `true`: the services' own tests run beside every loop. */
  test?: boolean
  /** The CLI's environment: PATH, KUBECONFIG, secrets by name. Held in memory for this run only. */
  environment: NodeJS.ProcessEnv
}

/** What a caller sees while its request is served. */
export type EngineEvent =
  | { kind: 'step'; step: StepEvent }
  | { kind: 'waiting'; behind: { command: string; pid: number } }
  | { kind: 'output'; stream: 'stdout' | 'stderr'; text: string }
  /** Something passed through the proxy of a dependency. */
  | { kind: 'dependency'; event: DependencyEvent }
  | RunEvent

export interface StepEvent {
  id: number
  parent?: number
  name: string
  state: 'running' | 'done' | 'failed'
  /** Milliseconds since the command began. */
  startedMs: number
  durationMs?: number
  note?: string
}

export type RunState = 'starting' | 'running' | 'degraded' | 'failed' | 'stopping' | 'stopped'

export interface RunStatus {
  id: string
  workspace: { name: string; root: string }
  runtime: RuntimeName
  environment: string
  state: RunState
  since: number
  services: (ServiceState & { url?: string; directUrl?: string; reload?: ReloadStatus })[]
  databases: DatabaseState[]
  /** Those outside of the workspace; absent where there are none. */
  dependencies?: DependencyStatus[]
  error?: ErrorShape
}

/** A dependency outside of the workspace, as it is served now. */
export interface DependencyStatus {
  name: string
  protocol: RemoteProtocol
  mode: RemoteMode
  /** As service.yaml has it; another than `mode` where it was switched. */
  writtenMode: RemoteMode
  /** `staging (ledger.payments)`, `local (billing)`, `recording recordings/search.har`; empty where nobody serves it. */
  serves: string
  access: Access
  /** Set where it leads to production, with the reason that allows it to be read. */
  production?: { environment: string; why: string }
  faults?: Faults
  /** Faults are others than service.yaml has. */
  areFaultsSwitched: boolean
  users: string[]
  /** On loopback. */
  port?: number
  /** Relative to the workspace; where it records or replays. */
  recording?: string
  health: DependencyHealth
  /** Why it is not served, or not as asked. */
  error?: ErrorShape
}

/** Ends `proxy`, `proxyMode` and `proxyFault`. */
export interface DependenciesResult {
  version: 1
  workspace: string
  dependencies: DependencyStatus[]
}

/** Ends `recordingCheck`: a recording without faults can be played. */
export interface RecordingCheckResult {
  version: 1
  file: string
  faults: Fault[]
}

/** Ends `proxyTail`. What passed comes as `dependency` events. */
export interface DependencyTailResult {
  version: 1
  events: number
  /** What passed while the reader was too slow to take it. */
  skipped: number
}

/** How a service's replicas stand to the working copy. */
export interface ReloadStatus {
  /** Every save is with every replica. */
  isCurrent: boolean
  /** Something is installed in the replicas that their image has not: the next start builds it. */
  isImageStale?: true
  /** What each should hold. */
  mark: string
  replicas: Holding[]
}

/** Ends `loops`; oldest first. */
export interface LoopsResult {
  version: 1
  workspace: string
  loops: Loop[]
}

/** Ends `verify`. */
export interface VerifyResult {
  version: 1
  workspace: string
  /** Everything that was asked holds what it should. */
  isSame: boolean
  services: { name: string; files: number; replicas: Verification[] }[]
}

export interface StartResult {
  version: 1
  run: RunStatus
  durationMs: number
  substitutions: Plan['substitutions']
  parityScore: number
}

/** Ends `build`. */
export interface BuildResult {
  version: 1
  workspace: string
  runtime: RuntimeName
  /** Empty where the working copy itself runs. */
  images: BuiltImage[]
}

export interface ParityResult extends ParityReport {
  workspace: string
  runtime: RuntimeName
}

/** Ends `why`. */
export interface WhyResult {
  version: 1
  workspace: { name: string; root: string }
  runtime: Plan['runtime']
  /** In the order in which they were named; absolute. A file without a verdict belongs to no service. */
  files: { file: string; verdicts: ServiceVerdict[] }[]
}

/** What a save does to services. */
export interface ServiceVerdict extends Omit<Verdict, 'decidedBy'> {
  services: string[]
}

/** Ends `stop`; a run whose services were only partly stopped stays in `status`. */
export interface StopResult {
  version: 1
  stopped: { id: string; workspace: string; services: string[]; purged: boolean }[]
}

/** Ends `restart`. */
export interface RestartResult {
  version: 1
  run: RunStatus
  durationMs: number
}

/** Ends `exec`. What ran is at its end, so its output comes whole; `code` is its own. */
export interface ExecResult {
  version: 1
  code: number
  stdout: string
  stderr: string
}

/** Ends `test`: the services' own tests, each run to its end against the run. */
export interface TestResult {
  version: 1
  workspace: string
  tests: ServiceTest[]
  /** Services that have no test command. */
  untested: string[]
  durationMs: number
}

export interface ServiceTest {
  service: string
  command: string[]
  passed: boolean
  /** Its exit code. */
  code: number
  durationMs: number
  /** The last that it wrote. */
  lines: string[]
  /** There is no such program on this machine. */
  missing?: string
}

/** Ends `logs`. Lines are `log` events; with `follow`, `health` and `warning` events of the run come between them. */
export interface LogsResult {
  version: 1
  lines: number
}

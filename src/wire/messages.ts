import type { ErrorShape } from '../core/errors.ts'
import type { LogLine, RunEvent } from '../engine/ports.ts'
import type { EngineEvent, RunStatus, StartParams, Target } from '../engine/results.ts'
import type { DeployParams, RollbackParams } from '../engine/deploy/results.ts'
import type { Faults, RemoteMode } from '../plan/remote.ts'
import type { ParityReport, Plan } from '../plan/types.ts'

export type {
  BuildResult,
  DependenciesResult,
  DependencyStatus,
  DependencyTailResult,
  EngineEvent as WireEvent,
  ExecResult,
  LoopsResult,
  LogsResult,
  ParityResult,
  RecordingCheckResult,
  ReloadStatus,
  RestartResult,
  RunState,
  RunStatus,
  StartParams,
  StartResult,
  StepEvent,
  StopResult,
  Target,
  TestResult,
  ServiceTest,
  VerifyResult,
  WhyResult,
} from '../engine/results.ts'

/** The contract between CLI and daemon: one request object, then events, then one response object; each a line of JSON on the Unix socket. Methods are added, never removed. */
export const WIRE_VERSION = 1

export type Request =
  | { method: 'hello' }
  | { method: 'start'; params: StartParams }
  | { method: 'stop'; params: Target & { purge: boolean } }
  | { method: 'restart'; params: Target }
  | { method: 'status'; params: Target & { all: boolean } }
  | { method: 'plan'; params: StartParams }
  | { method: 'parity'; params: StartParams & { verify: boolean } }
  | { method: 'build'; params: StartParams & { fresh: boolean; discard: boolean } }
  | { method: 'why'; params: StartParams & { files: string[] } }
  | { method: 'logs'; params: Target & { sources: string[]; follow: boolean; tail?: number; since?: number } }
  | { method: 'exec'; params: Target & { argv: string[] } }
  | { method: 'test'; params: StartParams }
  /** With `after` the answer waits for a loop of a higher id. */
  | { method: 'loops'; params: Target & { after?: number } }
  | { method: 'verify'; params: Target }
  | { method: 'proxy'; params: { path: string; names: string[] } }
  | { method: 'proxyTail'; params: { path: string; names: string[]; follow: boolean; tail?: number } }
  | { method: 'proxyMode'; params: { path: string; name: string; mode?: RemoteMode } }
  | { method: 'proxyFault'; params: { path: string; name: string; faults?: Faults | null } }
  | { method: 'recordingCheck'; params: { file: string } }
  | { method: 'recordingMerge'; params: { files: string[]; into: string } }
  | { method: 'deploy'; params: DeployParams }
  /** What `deploy` would do. */
  | { method: 'deployPlan'; params: DeployParams }
  | { method: 'deployStatus'; params: DeployParams }
  | { method: 'deployHistory'; params: DeployParams }
  | { method: 'deployLogs'; params: DeployParams & { follow: boolean; tail?: number; since?: number } }
  | { method: 'rollback'; params: RollbackParams }
  | { method: 'doctor'; params: { fix: boolean; environment: NodeJS.ProcessEnv } }
  | { method: 'shutdown'; params?: ShutdownParams }

export type Method = Request['method']

/** How the daemon ends. Runs go on unless `keepRuns` is false. */
export interface ShutdownParams {
  keepRuns?: boolean
  /** Lets the work of other callers end first. */
  drain?: boolean
}

export interface HelloResult {
  version: 1
  wire: number
  daemon: DaemonStamp & { pid: number; since: number }
}

/** Which program a daemon is: release, file, and when that file was written (epoch milliseconds). */
export interface DaemonStamp {
  release: string
  entry: string
  modified: number
}

export interface RequestLine {
  v: number
  id: string
  request: Request
  /** Of the caller, so that a second caller can be told who is working. */
  client: { pid: number; command: string; tty: boolean }
  /** What the caller would start; a daemon that is another answers DAEMON_VERSION_MISMATCH. */
  expects?: DaemonStamp
}

/** Ends the exchange. */
export type ResponseLine = { id: string; ok: true; result: unknown } | { id: string; ok: false; error: ErrorShape }

export interface EventLine {
  id: string
  event: EngineEvent
}

export interface StatusResult {
  version: 1
  daemon: { pid: number; version: string; since: number; rssBytes: number }
  runs: RunStatus[]
}

/** Ends `plan`: the Plan as it is, `version` 1 inside. */
export type PlanResult = Plan

/** Ends `doctor`. */
export interface DoctorResult {
  version: 1
  checks: DoctorCheck[]
}

export interface DoctorCheck {
  /** Stable: `docker`, `kind`, `node-image`, `redis`, … */
  id: string
  title: string
  /** `failed` stops a runtime from working; `warning` only costs something; `fixed` was failed until now. */
  state: 'ok' | 'warning' | 'failed' | 'fixed'
  detail: string
  hint?: string
  /** What does not work without it, for example `the kind runtime`. */
  needed?: string
}

export type {
  DeployHistoryResult,
  DeployParams,
  DeployResult,
  DeployStatusResult,
  DryRunResult,
  RollbackParams,
} from '../engine/deploy/results.ts'
export type { ObjectChange } from '../engine/deploy/ports.ts'
export type { Release } from '../engine/deploy/release.ts'
export type { Loop } from '../engine/reload/loop.ts'
export type { DependencyEvent } from '../engine/dependency-ports.ts'
export type { Faults, RemoteMode }
export type { LogLine, ParityReport, Plan, RunEvent }

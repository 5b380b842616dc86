import type { ErrorShape } from '../core/errors.ts'
import type { DatabaseState, LogLine, RunEvent, ServiceState } from '../engine/ports.ts'
import type { ParityReport, Plan, RuntimeName } from '../plan/types.ts'

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
  | { method: 'logs'; params: Target & { sources: string[]; follow: boolean; tail?: number; since?: number } }
  | { method: 'exec'; params: Target & { argv: string[] } }
  | { method: 'doctor'; params: { fix: boolean; environment: NodeJS.ProcessEnv } }
  | { method: 'shutdown'; params?: ShutdownParams }

export type Method = Request['method']

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
  /** The CLI's environment: PATH, KUBECONFIG, secrets by name. Held in memory for this run only. */
  environment: NodeJS.ProcessEnv
}

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
  event: WireEvent
}

export type WireEvent =
  | { kind: 'step'; step: StepEvent }
  | { kind: 'waiting'; behind: { command: string; pid: number } }
  | { kind: 'output'; stream: 'stdout' | 'stderr'; text: string }
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

export interface StatusResult {
  version: 1
  daemon: { pid: number; version: string; since: number; rssBytes: number }
  runs: RunStatus[]
}

export interface RunStatus {
  id: string
  workspace: { name: string; root: string }
  runtime: RuntimeName
  environment: string
  state: 'starting' | 'running' | 'degraded' | 'failed' | 'stopping' | 'stopped'
  since: number
  services: (ServiceState & { url?: string; directUrl?: string })[]
  databases: DatabaseState[]
  error?: ErrorShape
}

export interface StartResult {
  version: 1
  run: RunStatus
  durationMs: number
  substitutions: Plan['substitutions']
  parityScore: number
}

export interface ParityResult extends ParityReport {
  workspace: string
  runtime: RuntimeName
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

/** Ends `plan`: the Plan as it is, `version` 1 inside. */
export type PlanResult = Plan

/** Ends `exec`. What ran is at its end, so its output comes whole; `code` is its own. */
export interface ExecResult {
  version: 1
  code: number
  stdout: string
  stderr: string
}

/** Ends `logs`. Lines are `log` events; with `follow`, `health` and `warning` events of the run come between them. */
export interface LogsResult {
  version: 1
  lines: number
}

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

export type { LogLine, ParityReport, Plan, RunEvent }

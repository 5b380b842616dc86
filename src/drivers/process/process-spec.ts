import type { LogLine } from '../../engine/ports.ts'

/** One process that the runtime keeps alive: everything that its start, its health and its end need. */
export interface ProcessSpec {
  /**
   * Unique within the run and safe as a file name: `orders.1`, `orders.mailer.1`, `@user-db` for a database; `orders.1@2` for a process
   * that took over from `orders.1` (`seats.ts`). No name holds a dot or an @.
   */
  id: string
  kind: 'service' | 'worker' | 'database' | 'task'
  /** The service or database that it belongs to. */
  source: string
  /** As `ServiceState.name` or `DatabaseState.name`: the source, or `SERVICE-WORKER` for a worker of a service. */
  unit: string
  /** As `LogLine.replica`. */
  replica: LogLine['replica']
  argv: string[]
  cwd: string
  env: Record<string, string>
  /** What `env` could not hold yet, asked for at every start. Throws ENV_MISSING, and then the process waits for `shiv start`. */
  secrets?(): Record<string, string>
  /** Runs as this user; absent means as shiv itself. */
  user?: ProcessUser
  /** By port name; `metrics` and `debug` beside the ports of service.yaml. */
  ports: Record<string, number>
  debug?: { protocol: string; host: string; port: number }
  /** Its debugger opens only when the process before it has let go of the debug port: by SIGUSR1, Node's own way. */
  opensDebuggerLate?: boolean
  /** Another hash means another process: the running one is replaced. */
  hash: string
  stop: { signal: 'SIGTERM' | 'SIGINT'; graceMs: number }
  health: HealthCheck
  /** Runs before every spawn: a configuration file, a stale lock. */
  beforeStart?(): Promise<void>
  /** Runs once the health check passed and before the process counts as ready. */
  afterReady?(signal: AbortSignal): Promise<void>
}

export interface ProcessUser {
  uid: number
  gid: number
}

export interface HealthCheck {
  /** What it asks, for messages: `GET /healthz on port 20001`. */
  describe: string
  /** The local port that it asks. */
  port?: number
  probe(signal: AbortSignal): Promise<ProbeResult>
  /** How long a start may take before it counts as failed. */
  startupMs: number
  /** How long it must have lived before a good answer counts. */
  settleMs?: number
  periodMs: number
  failureThreshold: number
}

/** `hopeless`: waiting longer will not help, for example a health path that the service does not know. */
export type ProbeResult = { ok: true } | { ok: false; reason: string; hopeless?: boolean }

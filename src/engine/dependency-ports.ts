import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Fault } from '../core/errors.ts'
import type {
  Access,
  Faults,
  HttpRules,
  RecordingRules,
  RemoteEnvironment,
  RemoteMode,
  RemoteProtocol,
  RemoteTarget,
} from '../plan/remote.ts'

/** How a proxied dependency is reached now. Everything in it may change while requests are under way; those keep what they began with. */
export interface DependencySetting {
  /** The name that services call. */
  name: string
  /** Further hosts, without port, under which services ask for it: its names in the cluster, those of production. */
  hosts?: string[]
  protocol: RemoteProtocol
  mode: RemoteMode
  /** Absent where nothing is behind it: replay, or a mode that has no target. */
  upstream?: Upstream
  access: Access
  rules: HttpRules
  faults?: Faults
  /** Where `record` writes and `replay` reads. */
  recording?: { file: string; rules: RecordingRules; recordMissing: boolean }
  /** Host names and addresses that certificates are for, where services speak TLS to it. */
  certifiedNames?: string[]
  /** What clients of a database must log in with, as any user. Absent: they may say what they like; for a port that only this machine reaches. */
  clientPassword?: string
}

export interface Upstream {
  /** `https://billing.staging.example.com`, `postgres://…` without credentials, `redis://…`. For messages, `Host`, SNI and `shiv-served-by`. */
  url: URL
  /** What the user calls the place, for example `staging (ledger.payments)`. */
  label: string
  /** Bytes to the upstream, below TLS. Absent: dial the URL's host. Rejects with a ShivError that says why. */
  connect?(signal: AbortSignal): Promise<Duplex>
  /** Credentials of a database in the other environment, asked for at each new connection; in memory only. */
  credentials?(signal: AbortSignal): Promise<{ user: string; password: string; database?: string }>
  /** PEM of further authorities that are trusted for this upstream only. */
  ca?: string
  /** Where SNI and certificate name differ from the URL's host. */
  servername?: string
}

/** One request, query or command that passed; what `shiv proxy tail` prints. Holds no body, no header value and no statement's literals. */
export interface DependencyEvent {
  dependency: string
  /** Epoch milliseconds. */
  time: number
  durationMs: number
  protocol: RemoteProtocol
  /** `GET /invoices?page=2` without values that may be secret, `SELECT … FROM users`, `HGET`. */
  summary: string
  outcome: 'answered' | 'refused' | 'failed' | 'aborted'
  /** HTTP status, gRPC status, SQLSTATE. */
  status?: string
  servedBy: ServedBy
  /** Why it was refused or failed. */
  cause?: string
  sentBytes: number
  receivedBytes: number
}

export type ServedBy = 'local' | 'upstream' | 'recording' | 'guard' | 'fault' | 'nobody'

export interface DependencyHealth {
  /** `unknown` until a proof; `ready` only after one: an answered request or an end-to-end probe. */
  state: 'unknown' | 'ready' | 'failing'
  /** Epoch milliseconds of the last proof. */
  provenAt?: number
  lastError?: { time: number; message: string }
  requests: number
  refused: number
  failed: number
  /** Milliseconds over the last thousand answers; undefined before the first. */
  p50?: number
  p99?: number
  openConnections: number
}

/** Where services of a run reach the proxy of a dependency, and as whom. Held in memory; the password is the proxy's own, never the other environment's. */
export interface DependencyAddress {
  /** For processes `127.0.0.1`; for pods an IP address of this machine that they reach. */
  host: string
  port: number
  /** Of databases: what the proxy asks of services. Made once a run. */
  user?: string
  password?: string
  database?: string
  /** Of those that are reached by TLS too: what services must trust for it. */
  trust?: Trust
}

/** By name. */
export type DependencyAddresses = ReadonlyMap<string, DependencyAddress>

/** What a service trusts to speak TLS to the proxy; nothing of it is secret. */
export interface Trust {
  /** The authority's certificate, PEM. */
  certificate: string
  /** PEM files of this machine. `authority`: that, with what was trusted beyond the public roots before. `bundle`: that and all roots. */
  files: { authority: string; bundle: string }
}

/** The certificate authority of one run: only services of that run are told to trust it, and it signs for the names of dependencies only. */
export interface Authority extends Trust {
  /** A new certificate and key for these host names and addresses. */
  issue(names: readonly string[]): ServerCertificate
}

export interface ServerCertificate {
  /** PEM, the authority's own at its end. */
  certificate: string
  /** PEM. */
  key: string
  /** Epoch milliseconds. */
  endsAt: number
}

/** One listening dependency. */
export interface OpenDependency {
  /** On loopback. Stays the same for as long as it is open, whatever its setting. */
  readonly port: number
  /** Serves a connection that was accepted elsewhere, for example on an address that pods reach. */
  accept(socket: Duplex): void
  /** Switches live: what comes from now on goes by the new setting. */
  set(setting: DependencySetting): void
  health(): DependencyHealth
  close(): Promise<void>
}

/** What listens for dependencies and leads their traffic. One contract suite runs over each protocol's part. */
export interface ProxyEngine {
  /** Throws ShivError when the setting cannot be served, before anything is switched to it. */
  check(setting: DependencySetting): Promise<void>
  /** Listens on loopback, at `port` if it is free. Throws ShivError when the setting cannot be served (a recording that cannot be read). */
  open(setting: DependencySetting, options: OpenOptions): Promise<OpenDependency>
}

export interface OpenOptions {
  port?: number
  onEvent(event: DependencyEvent): void
  /** A mistake in the proxy's own code. It has cost one connection or request; health says it too. */
  onDefect?(error: unknown): void
  /** HTTP and gRPC: TLS is spoken too, at the same port, with certificates of this authority. */
  authority?: Authority
}

/** On whose behalf other environments are reached. */
export interface DependencyCaller {
  /** Of the CLI that started the run: PATH, KUBECONFIG, HOME and the variables that credentials come from. */
  environment: NodeJS.ProcessEnv
  /** The workspace; where commands run, and what paths of certificates are relative to. */
  folder: string
}

/** The way to a target. */
export interface Reach {
  upstream: Upstream
  /** Ends what it keeps open. */
  close(): Promise<void>
}

/** Everything outside of this process that dependencies need. */
export interface DependencyDriver {
  /** The proxy, acting for a caller: tokens come from its commands, variables and kubeconfig. */
  proxy(caller: DependencyCaller): ProxyEngine
  /** Nothing is dialled before the upstream's `connect`. Throws ShivError when there is no way to find: a context that is not there, a certificate that cannot be read. */
  reach(target: RemoteTarget, options: { environment?: RemoteEnvironment; caller: DependencyCaller }): Promise<Reach>
  /** The API server that a context of the user's kubeconfig leads to. */
  serverOf(context: string, caller: DependencyCaller): Promise<URL>
  /** A free port for each key: the one it had before if that is free. */
  choosePorts(keys: string[]): Promise<number[]>
  forgetPorts(prefix: string): Promise<void>
  /** The authority that is kept in a run's folder; made where there is none, or one that ends soon. */
  authority(folder: string, caller: DependencyCaller): Promise<Authority>
  /** Every fault of a recording, with its line. */
  checkRecording(file: string): Promise<Fault[]>
  /** Writes into `target` all that the recordings hold. */
  mergeRecordings(files: string[], target: string): Promise<void>
  openPodDoor(place: PodPlace, onSocket: (socket: Socket) => void, port?: number): Promise<PodDoor>
}

/** Where pods of a local cluster reach this machine. */
export interface PodPlace {
  /** An address of this machine in the cluster's network, or one that leads to its loopback. */
  address: string
  /** CIDRs of that network: whoever else comes is refused. Absent where the address leads to loopback, and peers cannot be told apart. */
  subnets?: string[]
}

/** One listener on an address that pods reach. */
export interface PodDoor {
  readonly port: number
  close(): Promise<void>
}

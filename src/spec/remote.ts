import type { Position } from './position.ts'

/** `local`: a service or database of the workspace. `staging`: the other environment. `record`: that, and kept. `replay`: only what was kept. */
export type RemoteMode = 'local' | 'staging' | 'record' | 'replay'

export type RemoteProtocol = 'http' | 'grpc' | 'postgres' | 'redis' | 'tcp'

/** What may be done to the other environment. */
export interface Access {
  level: 'read_only' | 'read_write'
  /** Unsafe requests that pass all the same, each with the reason that is printed at every start. */
  allow: Allowance[]
}

export interface Allowance {
  /** HTTP: `POST`; gRPC: absent. */
  method?: string
  /** HTTP: a path, `*` stands for one part and `**` for any number. gRPC: `/package.Service/Method`. */
  path: string
  why: string
}

export interface HttpRules {
  request?: HeaderRules
  response?: HeaderRules
  auth?: AuthSource
  /** The first whose `from` is a prefix of the path, on a border of its parts, replaces it. */
  rewrite?: { from: string; to: string }[]
  /** `upstream` (default): that of the URL. `local`: the one that the service sent. Or a name. */
  host?: 'upstream' | 'local' | { name: string }
  /** Whether `Forwarded` and `X-Forwarded-*` are sent; off unless asked for. */
  forwarded?: boolean
  timeouts?: { connectMs?: number; headersMs?: number; idleMs?: number; totalMs?: number }
  /** Safe methods only. `budget`: of all requests of the last ten seconds, the part that may be retries. */
  retries?: { attempts: number; budget: number }
  breaker?: { failures: number; coolMs: number }
}

export interface HeaderRules {
  set?: Record<string, string>
  remove?: string[]
}

/** Where a bearer token comes from. The token is held in memory only and never logged. */
export type AuthSource =
  | { bearer: { command: string[] } }
  | { bearer: { env: string } }
  /** The exec credential or token of a kubeconfig's context. */
  | { bearer: { kubeContext: string } }

export interface Faults {
  /** Each in milliseconds; a log-normal through both. */
  latency?: { p50: number; p99: number }
  /** 0 to 1. */
  errorRate?: number
  errorStatus?: number
  /** 0 to 1: the part of answers that are cut in the middle. */
  cutRate?: number
  bytesPerSecond?: number
}

export interface RecordingRules {
  /** Query parameters, headers and JSON paths (`$.a.b`) that do not count when a request is matched. */
  ignore: { query: string[]; headers: string[]; body: string[] }
  /** Beyond what is always redacted: header names, cookie names, JSON paths and regular expressions. */
  redact: { headers: string[]; cookies: string[]; body: string[]; patterns: string[] }
  /** `ordered`: equal requests are answered in the order that they were recorded, the last one again and again. */
  order: 'any' | 'ordered'
}

export type RemoteTarget =
  /** `ca`: a PEM file, relative to the workspace. `environment`: what the place belongs to, where that is known. */
  | { kind: 'url'; url: string; ca?: string; servername?: string; environment?: string }
  /** A Service of another environment's cluster, reached through its API server. `port`: name or number; absent: its only one. */
  | {
      kind: 'service'
      service: string
      namespace: string
      port?: string
      environment: string
      tls: boolean
      ca?: string
      servername?: string
    }
  | { kind: 'database'; database: string; type: string; namespace: string; environment: string; credentials: RemoteCredentials }

/** Where user and password of a database in another environment come from; read when a connection is made. */
export type RemoteCredentials =
  /** Keys `user`, `password`, `name`, as shiv's own deployments have them. */
  | { secret: string; keys?: { user?: string; password?: string; name?: string } }
  | { user?: string; env: string }
  | { user?: string; command: string[] }

/** What `mode: local` leads to: a service or database of the workspace, or an address of this machine. */
export type RemoteLocal = { service: string } | { database: string } | { url: string }

/** A dependency that is not part of the workspace, as one service.yaml writes it, defaults filled in. Inert; secrets are references. */
export interface Remote {
  /** The name that services call, an RFC 1123 label. */
  name: string
  protocol: RemoteProtocol
  /** As written; may be switched live. */
  mode: RemoteMode
  target: RemoteTarget
  local?: RemoteLocal
  access: Access
  rules: HttpRules
  faults?: Faults
  /** Relative to the workspace: `recordings/billing.har`. */
  recording: { file: string; rules: RecordingRules; recordMissing: boolean }
  /** Its Service in a cluster. Without a namespace: that of the services that call it. */
  inCluster: { service: string; namespace?: string; port: number }
  /** Host names of production that lead here too, for example `billing.example.com`. */
  hostnames: string[]
  /** Production's own address where `target` is not it: `https://billing.example.com`, `tcp://queue.example.com:5671`. */
  production?: string
  position: Position
}

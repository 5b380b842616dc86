import type { AuthSource, Remote } from '../spec/remote.ts'

export type * from '../spec/remote.ts'

/** A dependency that is not part of the workspace, as the Plan carries it. Plain data; secrets are references. */
export interface RemotePlan extends Omit<Remote, 'position' | 'inCluster' | 'production'> {
  /** Services that call it. */
  users: string[]
  /**
   * Where it is in a cluster: a local Plan has a Service of this name and namespace, which leads to the daemon. `tls`: production speaks TLS there,
   * at `tlsPort` where that is another than `port`.
   */
  inCluster: { namespace: string; service: string; port: number; tls: boolean; tlsPort?: number }
  /** Host names of production that no Service can have: in pods of its users they lead to its Service. Absent in Plans of earlier versions. */
  aliases?: string[]
  /** What services get as its `url`; `${host} ${port} ${user} ${password} ${name}` are filled in: `http://${host}:${port}`. */
  urlTemplate: string
  /** What services of this Plan get, where that is known without the runtime; a database's is in its Secret. */
  address?: { url: string; host: string; port: string }
  /** Production's address, for people and for parity. */
  production: string
  /** The Secret with the keys url host port user password name; of databases only. */
  secret?: string
}

/** Where and how an environment may be reached: from `environments` of shiv.yaml. */
export interface RemoteEnvironment {
  name: string
  context?: string
  namespace?: string
  domain?: string
  auth?: AuthSource
  isProduction: boolean
  /** Why production may be read. Absent: it is never a target. */
  allowProduction?: { level: 'read_only'; why: string }
}

/** Objects name where pods reach the daemon's proxy of a dependency by this until the runtime knows: as an address, and as a port. */
export const DEPENDENCY_PLACEHOLDER = 'shiv-dependency:'

/** Stands for the certificate of the run's authority, and in annotations for its hash, until the runtime knows it. */
export const AUTHORITY_PLACEHOLDER = 'shiv-authority:'

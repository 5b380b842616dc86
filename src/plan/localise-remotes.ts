import { hostIn } from './remote-values.ts'
import type { RemotePlan } from './remote.ts'
import type { Recorder } from './recorder.ts'
import type { KubeObject } from './types.ts'

const MODES: Record<RemotePlan['mode'], (remote: RemotePlan) => string> = {
  staging: (remote) => `${placeOf(remote)}, ${accessOf(remote)}`,
  record: (remote) => `${placeOf(remote)}, ${accessOf(remote)}, kept in ${remote.recording.file}`,
  replay: ({ recording }) =>
    `the recording ${recording.file}${recording.recordMissing ? ', and what it lacks from the other environment' : ''}`,
  local: ({ local }) => localText(local),
}

/** Where a dependency leads as service.yaml has it: `staging (ledger.payments), read-only`. */
export function modeText(remote: RemotePlan): string {
  return MODES[remote.mode](remote)
}

/** Records for each dependency what stands in for production's: in which mode, with what access, and what else is not the same. */
export function recordRemotes(
  remotes: RemotePlan[],
  objects: KubeObject[],
  record: Recorder,
  namespace: string | undefined,
): void {
  for (const remote of remotes) {
    const { name, production, inCluster } = remote
    const entrance = namespace === undefined ? 'the daemon’s proxy' : `${hostIn(inCluster, namespace)}:${inCluster.port}`
    record.substitute({
      id: `dependency.${name}`,
      what: `dependency ${name}`,
      production,
      local: `${entrance} to ${modeText(remote)}`,
      why: whyOf(remote),
      touches: envOfUsers(remote, objects),
    })
    if (!production.startsWith('https:') || inCluster.tls) continue
    record.miss({
      id: `tls.${name}`,
      what: `TLS to ${name}`,
      production: 'the service itself speaks TLS',
      why: 'the proxy speaks TLS to the other environment; from the service to the proxy nothing leaves this machine',
    })
  }
}

function whyOf({ mode, local }: RemotePlan): string {
  if (mode === 'local') return 'what is worked on here stands in for it'
  if (mode === 'replay') return 'without a network, the same answers every time'
  return `production is not for tries${local === undefined ? '' : '; the local one can take its place'}`
}

function placeOf({ target }: RemotePlan): string {
  if (target.kind === 'url') return target.environment === undefined ? target.url : `${target.environment} (${target.url})`
  const place = target.kind === 'service' ? `${target.service}.${target.namespace}` : target.database
  return `${target.environment} (${place})`
}

function accessOf({ access }: RemotePlan): string {
  if (access.level === 'read_write') return 'read and write'
  const count = access.allow.length
  return count === 0 ? 'read-only' : `read-only but for ${count} exception${count === 1 ? '' : 's'}`
}

function localText(local: RemotePlan['local']): string {
  if (local === undefined) return 'nothing'
  if ('url' in local) return local.url
  return 'service' in local ? `the service ${local.service} of the workspace` : `the database ${local.database} of the workspace`
}

/** Its address is in the environment of whatever runs of those that call it. */
function envOfUsers({ users }: RemotePlan, objects: KubeObject[]): string[] {
  const workloads = objects.filter(({ metadata }) => users.includes(metadata.labels?.['app.kubernetes.io/name'] ?? ''))
  return workloads.flatMap(({ kind, metadata }) => {
    if (kind === 'CronJob') return [`${kind}/${metadata.name}/spec/jobTemplate/spec/template/spec/containers/0/env`]
    if (!['Deployment', 'StatefulSet', 'Job'].includes(kind)) return []
    return [`${kind}/${metadata.name}/spec/template/spec/containers/0/env`]
  })
}

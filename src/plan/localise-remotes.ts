import { hostIn } from './remote-values.ts'
import type { RemotePlan } from './remote.ts'
import type { Recorder } from './recorder.ts'
import { trustAuthority } from './trust.ts'
import type { Trusting } from './trust.ts'
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

/**
 * Records for each dependency what stands in for production's: in which mode, with what access, and what else is not the same. The pods of a
 * `namespace` are made to find it by production's names, and to trust what it shows them there.
 */
export function localiseRemotes(
  remotes: RemotePlan[],
  objects: KubeObject[],
  record: Recorder,
  namespace: string | undefined,
): void {
  const trusting = namespace === undefined ? new Map<string, Trusting>() : trustIn(objects, remotes)
  for (const remote of remotes) {
    const { name, production, inCluster, users, aliases = [] } = remote
    const entrance = namespace === undefined ? 'the daemon’s proxy' : entranceOf(remote, namespace)
    record.substitute({
      id: `dependency.${name}`,
      what: `dependency ${name}`,
      production,
      local: `${entrance} to ${modeText(remote)}`,
      why: whyOf(remote),
      touches: envOfUsers(remote, objects),
    })
    const led = users.map((user) => trusting.get(user)).filter((one) => one !== undefined)
    if (inCluster.tls) recordTls(remote, led, record, namespace)
    else if (aliases.length > 0 && led.length > 0) recordAliases(remote, led, record)
  }
}

/** What was done to the workloads of each service that calls a dependency. */
function trustIn(objects: KubeObject[], remotes: RemotePlan[]): Map<string, Trusting> {
  const done = new Map<string, Trusting>()
  for (const object of objects) {
    const service = object.metadata.labels?.['app.kubernetes.io/name'] ?? ''
    const called = remotes.filter(({ users }) => users.includes(service))
    if (called.length === 0) continue
    const { touches, kept } = trustAuthority(object, called)
    const before = done.get(service)
    done.set(service, {
      touches: [...(before?.touches ?? []), ...touches],
      kept: [...new Set([...(before?.kept ?? []), ...kept])],
    })
  }
  return done
}

function recordTls(remote: RemotePlan, led: Trusting[], record: Recorder, namespace: string | undefined): void {
  const { name, target, aliases = [], production } = remote
  const about = { id: `tls.${name}`, what: `TLS to ${name}`, production: 'the service itself speaks TLS' }
  if (namespace === undefined) {
    record.substitute({
      ...about,
      local: 'plain http on loopback, and https there with a certificate of the run’s own authority',
      why: 'nothing leaves this machine between the service and the proxy, which speaks TLS to the other environment',
    })
    return
  }
  const touches = led.flatMap((one) => one.touches)
  if (target.kind === 'url' && !aliases.includes(new URL(production).hostname)) {
    const why = `production’s host has no name, or one that other dependencies have too: pods call ${remote.inCluster.service}`
    record.miss({ ...about, why, touches })
    return
  }
  const kept = [...new Set(led.flatMap((one) => one.kept))]
  const own = kept.length === 0 ? '' : `; ${kept.join(' and ')} stay as the service has them`
  record.substitute({
    ...about,
    local: `the proxy speaks it, with a certificate of an authority that only pods of ${namespace} that call it trust${own}`,
    why: 'production’s key is nowhere but in production; the name and the protocol are the same',
    touches,
  })
}

function recordAliases({ name, aliases = [] }: RemotePlan, led: Trusting[], record: Recorder): void {
  record.substitute({
    id: `names.${name}`,
    what: `names of ${name}`,
    production: `${aliases.join(', ')} by DNS`,
    local: 'the same, by the hosts file of pods that call it',
    why: 'nobody else’s names are changed',
    touches: led.flatMap((one) => one.touches),
  })
}

/** What pods call. */
function entranceOf({ address, inCluster }: RemotePlan, namespace: string): string {
  return address ? `${address.host}:${address.port}` : `${hostIn(inCluster, namespace)}:${inCluster.port}`
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

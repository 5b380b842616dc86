import { setTimeout as delay } from 'node:timers/promises'
import type { Cluster, ClusterDriver } from '../../engine/ports.ts'
import type { KubeObject } from '../../plan/types.ts'
import type { KubeClient } from './client.ts'
import { knownPath } from './mapping.ts'
import type { Live } from './objects.ts'
import { untilCollection } from './until.ts'

const DEFAULT = 'storageclass.kubernetes.io/is-default-class'
/** A cluster that has no default class by then has none: the diagnosis of what does not get its volume says so. */
const LIMIT_MS = 60_000
const NUDGE_MS = 500

interface StatefulSpec {
  replicas?: number
  selector?: { matchLabels?: Record<string, string> }
  volumeClaimTemplates?: ClaimTemplate[]
}

interface ClaimTemplate {
  metadata: { name: string; labels?: Record<string, string> }
  spec: { storageClassName?: string; accessModes?: string[]; resources?: { requests?: { storage?: string } } }
}

/**
 * Sees to it that what claims a volume of the default storage class gets one. A cluster that was just made has that class late, its
 * provisioner later still, and the scheduler looks again only after minutes at a pod whose claim came before the class. So the claims
 * and volumes are made here where the driver can, and the class is waited for where it cannot.
 */
export async function awaitVolumes(
  client: KubeClient,
  objects: KubeObject[],
  options: { namespace: string; driver: ClusterDriver; cluster: Cluster; signal: AbortSignal },
): Promise<void> {
  const { driver, cluster, signal } = options
  const claims = objects.flatMap((object) => claimsOf(object, options.namespace))
  if (claims.length === 0 || (await hasDefaultClass(client, signal))) return
  const collection = knownPath('PersistentVolumeClaim', options.namespace)
  const present = (await client.call<{ items: Live[] | null }>('GET', collection, { signal })).items ?? []
  const liveOf = ({ metadata: { name } }: KubeObject) => present.find(({ metadata }) => metadata.name === name)
  const missing = claims.filter((claim) => liveOf(claim) === undefined)
  const isPending = present.some(
    (live) => claims.some(({ metadata }) => metadata.name === live.metadata.name) && phaseOf(live) !== 'Bound',
  )
  const volumes = isPending ? [undefined] : await Promise.all(missing.map((claim) => driver.makeVolume?.(cluster, claim)))
  if (volumes.includes(undefined)) return untilHolds(client, knownPath('StorageClass'), (all) => all.some(isDefault), signal)
  await bindAll(client, missing, volumes as KubeObject[], collection, signal)
}

/**
 * Volumes first, and claims once the cluster has taken note of them: a claim whose volume is not known yet is looked at again only at
 * the next round, 15 s later.
 */
async function bindAll(
  client: KubeClient,
  claims: KubeObject[],
  volumes: KubeObject[],
  collection: string,
  signal: AbortSignal,
): Promise<void> {
  await createAll(client, volumes, signal)
  await untilHolds(client, knownPath('PersistentVolume'), (all) => areIn(all, volumes, 'Available'), signal)
  const bound = claims.flatMap((claim, index) => (volumes[index] ? [boundTo(claim, volumes[index])] : []))
  await createAll(client, bound, signal)
  let areBound = false
  const isOver = untilHolds(client, collection, (all) => areIn(all, claims, 'Bound'), signal).then(() => (areBound = true))
  while (!(await Promise.race([isOver, delay(NUDGE_MS, areBound, { signal })]))) await nudge(client, claims, signal)
}

/** The binder drops a claim at the first conflict over its volume, and takes it up again when it changes, or 15 s later. */
async function nudge(client: KubeClient, claims: KubeObject[], signal: AbortSignal): Promise<void> {
  const body = { metadata: { annotations: { 'shiv.dev/looked-at': new Date().toISOString() } } }
  const contentType = 'application/merge-patch+json'
  const pathTo = ({ kind, metadata: { namespace, name } }: KubeObject) => knownPath(kind, namespace, name)
  await Promise.all(claims.map((claim) => client.call('PATCH', pathTo(claim), { body, contentType, signal })))
}

async function createAll(client: KubeClient, objects: KubeObject[], signal: AbortSignal): Promise<void> {
  await Promise.all(objects.map((body) => client.call('POST', knownPath(body.kind, body.metadata.namespace), { body, signal })))
}

function areIn(all: Live[], objects: KubeObject[], phase: string): boolean {
  return objects.every(({ metadata }) => all.some((live) => live.metadata.name === metadata.name && phaseOf(live) === phase))
}

/** The claims that a StatefulSet will make for its pods, where they leave the class to the cluster. */
export function claimsOf(object: KubeObject, namespace: string): KubeObject[] {
  if (object.kind !== 'StatefulSet') return []
  const { replicas = 1, selector, volumeClaimTemplates = [] } = object['spec'] as StatefulSpec
  return volumeClaimTemplates
    .filter(({ spec }) => spec.storageClassName === undefined)
    .flatMap(({ metadata, spec }) =>
      Array.from({ length: replicas }, (_, index) => ({
        apiVersion: 'v1',
        kind: 'PersistentVolumeClaim',
        metadata: {
          name: `${metadata.name}-${object.metadata.name}-${index}`,
          namespace,
          labels: { ...metadata.labels, ...selector?.matchLabels },
        },
        spec,
      })),
    )
}

function boundTo(claim: KubeObject, volume: KubeObject): KubeObject {
  const { storageClassName } = volume['spec'] as { storageClassName?: string }
  return { ...claim, spec: { ...(claim['spec'] as object), storageClassName, volumeName: volume.metadata.name } }
}

async function hasDefaultClass(client: KubeClient, signal: AbortSignal): Promise<boolean> {
  const classes = await client.call<{ items: Live[] | null }>('GET', knownPath('StorageClass'), { signal })
  return (classes.items ?? []).some(isDefault)
}

async function untilHolds(client: KubeClient, path: string, holds: (all: Live[]) => boolean, signal: AbortSignal): Promise<void> {
  const done = new AbortController()
  const limit = AbortSignal.any([signal, done.signal])
  const late = delay(LIMIT_MS, undefined, { signal: limit }).catch(() => signal.throwIfAborted())
  try {
    await Promise.race([late, untilCollection(client, path, limit, holds)])
  } finally {
    done.abort()
  }
}

function isDefault({ metadata }: Live): boolean {
  return metadata.annotations?.[DEFAULT] === 'true'
}

function phaseOf(live: Live): string | undefined {
  return (live['status'] as { phase?: string } | undefined)?.phase
}
